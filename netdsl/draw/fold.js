"use strict";
// Folds the frames of blocks in a picture to one box each, and unfolds them. The picture keeps its
// layout: where only the inside of folded frames was, space is taken out, and everything beside it
// moves together. So no box comes to lie on another.
const folds = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SLACK = 6; // what is left of a gap
  const STEPS = 48; // points of an arrow that is cut at a frame
  const HEAD = 5.5; // the length of an arrow's head
  const svg = document.querySelector(".picture .scroll svg");
  const all = (selector) => [...svg.querySelectorAll(selector)];
  const clean = (box) => ({ x: [box.x, box.x + box.width], y: [box.y, box.y + box.height] });
  const extent = (part) => clean((part?.querySelector("path, polygon, ellipse") ?? part).getBBox());
  const middle = ([low, high]) => (low + high) / 2;
  const inside = (point, box) =>
    box.x[0] <= point.x && point.x <= box.x[1] && box.y[0] <= point.y && point.y <= box.y[1];
  const centre = (box) => ({ x: middle(box.x), y: middle(box.y) });

  const grouped = (texts) => {
    const group = document.createElementNS(SVG, "g");
    texts[0].before(group);
    group.append(...texts);
    return group;
  };

  const frames = all(".cluster")
    .filter((part) => part.querySelector("title"))
    .map((part) => {
      const [name, ...facts] = part.querySelector("title").textContent.split("\n");
      const figures = (facts.find((fact) => /^\d+ layers?,/.test(fact)) ?? "").split(", ");
      const label = grouped([...part.querySelectorAll("text")]);
      return { part, box: extent(part), name, figures, label, place: clean(label.getBBox()), needed: {} };
    });
  const nodes = all(".node").map((part) => ({ part, box: extent(part) }));
  const pointsOf = (path) => {
    const length = path.getTotalLength();
    return Array.from({ length: STEPS + 1 }, (_, i) => path.getPointAtLength((length * i) / STEPS));
  };
  const tipOf = (head, end) => {
    const far = (p) => Math.hypot(p.x - end.x, p.y - end.y);
    return [...head.points].reduce((a, b) => (far(b) > far(a) ? b : a));
  };
  const arrows = !frames.length ? [] : all(".edge").map((part) => {
    const path = part.querySelector("path");
    const head = part.querySelector("polygon");
    const points = pointsOf(path);
    const start = points[0];
    const end = head ? tipOf(head, points[STEPS]) : points[STEPS];
    return { part, path, head, points, start, end };
  });
  const root = svg.querySelector(".graph");
  const whole = all(".cluster").find((part) => !part.querySelector("title"));
  // The ground, and the legend below the net, which moves as one.
  const [ground, ...legend] = frames.length
    ? [...root.children].filter((part) => !part.matches("g, title")) : [];
  const grounds = frames.length
    ? [ground, whole?.querySelector("polygon, path")].filter((part) => part) : [];
  const original = new Map();
  for (const shape of frames.length ? all("path, polygon") : []) {
    const key = shape.tagName === "path" ? "d" : "points";
    original.set(shape, [key, shape.getAttribute(key)]);
  }

  const closed = new Set();
  const holds = (outer, box) => ["x", "y"].every(
    (axis) => outer[axis][0] - 1 <= box[axis][0] && box[axis][1] <= outer[axis][1] + 1);
  const largest = (list) => list.reduce((a, b) => (a && size(a.box) >= size(b.box) ? a : b), null);
  const size = (box) => (box.x[1] - box.x[0]) * (box.y[1] - box.y[0]);
  // The closed frame that hides a box or a point, and is not inside another closed one.
  const hider = (box) => largest(frames.filter((f) => closed.has(f) && holds(f.box, box)));
  const spot = (point) => ({ x: [point.x, point.x], y: [point.y, point.y] });

  // A function that moves a coordinate; `gaps` are disjoint, in order.
  const mover = (gaps) => (value) => {
    let less = 0;
    for (const [low, high] of gaps) {
      const length = high - low;
      if (value >= high) less += length - Math.min(length, SLACK);
      else if (value > low) less += (value - low) * (1 - Math.min(1, SLACK / length));
    }
    return value - less;
  };
  // The parts of `spans` that none of `kept` covers.
  const gapsOf = (spans, kept) => {
    const gaps = [];
    for (const [low, high] of merged(spans)) {
      let at = low;
      for (const [a, b] of merged(kept)) {
        if (b <= at || a >= high) continue;
        if (a > at) gaps.push([at, a]);
        at = Math.max(at, b);
      }
      if (at < high) gaps.push([at, high]);
    }
    return gaps;
  };
  const merged = (spans) => {
    const result = [];
    for (const [low, high] of [...spans].sort((a, b) => a[0] - b[0])) {
      const last = result.at(-1);
      if (last && low <= last[1]) last[1] = Math.max(last[1], high);
      else result.push([low, high]);
    }
    return result;
  };

  const set = (shape, key, value) => shape.setAttribute(key, value);
  const round = (value) => Math.round(value * 100) / 100;
  const moved = (text, move) => {
    let axis = "y"; // numbers come in pairs
    return text.replace(/-?\d*\.?\d+(?:e-?\d+)?/g, (number) => {
      axis = axis === "x" ? "y" : "x";
      return round(move[axis](Number(number)));
    });
  };
  const shift = (part, from, move) => {
    const x = round(move.x(from.x) - from.x);
    const y = round(move.y(from.y) - from.y);
    if (x || y) set(part, "transform", `translate(${x} ${y})`);
    else part.removeAttribute("transform");
  };
  const hide = (part, isHidden) => part.classList.toggle("away", isHidden);

  const lay = () => {
    const shown = frames.filter((frame) => closed.has(frame) && hider(frame.box) === frame);
    const boxes = nodes.filter((node) => !hider(node.box));
    const open = frames.filter((f) => !closed.has(f) && !hider(f.box));
    const move = {};
    for (const axis of ["x", "y"]) {
      const needed = shown.map((frame) => {
        // The box of a folded frame stays where arrows enter it.
        const entry = arrows.find((a) => inside(a.end, frame.box) && !inside(a.start, frame.box));
        const half = need(frame)[axis] / 2;
        const [low, high] = frame.box[axis];
        let at = middle(frame.box[axis]);
        if (axis !== along && entry) at = entry.end[axis];
        at = Math.min(Math.max(at, low + half), Math.max(high - half, low + half));
        frame.needed[axis] = [Math.max(at - half, low), Math.min(at + half, high)];
        return frame.needed[axis];
      });
      const kept = [...boxes.map((b) => b.box[axis]), ...open.map((f) => f.place[axis]), ...needed];
      move[axis] = mover(gapsOf(shown.map((frame) => frame.box[axis]), kept));
    }
    for (const frame of shown) {
      frame.shown = { x: frame.needed.x.map(move.x), y: frame.needed.y.map(move.y) };
    }
    for (const node of nodes) {
      hide(node.part, Boolean(hider(node.box)));
      shift(node.part, centre(node.box), move);
    }
    for (const frame of frames) drawFrame(frame, shown, open, move);
    const extra = repeated();
    for (const arrow of arrows) drawArrow(arrow, move, extra.has(arrow));
    for (const shape of grounds) set(shape, ...resized(shape, move));
    for (const part of legend) shift(part, { x: -1e6, y: 1e6 }, move);
    resize();
  };
  const resized = (shape, move) => {
    const [key, text] = original.get(shape);
    return [key, moved(text, move)];
  };
  const drawFrame = (frame, shown, open, move) => {
    const isFolded = shown.includes(frame);
    hide(frame.part, !isFolded && !open.includes(frame));
    frame.part.classList.toggle("folded", isFolded);
    const path = frame.part.querySelector("path, polygon");
    set(path, ...resized(path, move));
    frame.part.querySelector("a")?.setAttribute("aria-expanded", String(!closed.has(frame)));
    frame.more?.remove();
    frame.more = null;
    shift(frame.label, { x: frame.place.x[0], y: frame.place.y[1] }, move);
    if (!isFolded) return;
    const box = frame.shown;
    const [left, right, top, bottom] = [...box.x, ...box.y].map(round);
    set(path, "d", `M${left + 6},${top}H${right - 6}q6,0 6,6V${bottom - 6}q0,6 -6,6H${left + 6}`
      + `q-6,0 -6,-6V${top + 6}q0,-6 6,-6`);
    const at = centre(box);
    const from = centre(frame.place);
    set(frame.label, "transform", `translate(${round(at.x - from.x)} ${round(at.y - 11 - from.y)})`);
    frame.more = document.createElementNS(SVG, "g");
    frame.figures.forEach((text, i) => {
      const line = frame.label.firstElementChild.cloneNode();
      line.removeAttribute("font-weight");
      for (const [key, value] of [["text-anchor", "middle"], ["x", at.x], ["y", at.y + 4 + 11 * i]]) {
        set(line, key, value);
      }
      line.textContent = text;
      frame.more.append(line);
    });
    frame.label.after(frame.more);
  };
  // The box at the end of an arrow.
  const boxAt = (point) =>
    nodes.find(({ box }) => holds({ x: grown(box.x), y: grown(box.y) }, spot(point)));
  const numbers = new Map([...nodes, ...frames].map((item, i) => [item.part, i]));
  const grown = ([low, high]) => [low - 2, high + 2];
  // Arrows beside a straighter one between the same boxes, one of which is folded.
  const repeated = () => {
    const best = new Map();
    const others = new Set();
    const bend = ({ start, end }) => Math.abs(start[across] - end[across]);
    for (const arrow of arrows) {
      const ends = [arrow.start, arrow.end];
      const [from, to] = ends.map((point) => hider(spot(point)));
      if (!from && !to) continue;
      const key = ends.map((point, i) => numbers.get(([from, to][i] ?? boxAt(point))?.part)).join(" ");
      const other = best.get(key);
      if (!other || bend(arrow) < bend(other)) best.set(key, arrow);
      if (other) others.add(bend(arrow) < bend(other) ? other : arrow);
    }
    return others;
  };
  const drawArrow = (arrow, move, isExtra) => {
    const { part, path, head, start, end } = arrow;
    const from = hider(spot(start));
    const to = hider(spot(end));
    hide(part, isExtra || (from !== null && from === to));
    part.querySelector(".more")?.remove();
    if (head) hide(head, to !== null);
    set(path, ...resized(path, move));
    if (head) shift(head, end, move);
    if (part.classList.contains("away") || (!from && !to)) return;
    let points = arrow.points;
    if (from) points = points.slice(points.findLastIndex((p) => inside(p, from.box)) + 1);
    const cut = to ? points.findIndex((p) => inside(p, to.box)) : -1;
    if (cut >= 0) points = points.slice(0, cut);
    points = points.map((p) => ({ x: move.x(p.x), y: move.y(p.y) }));
    if (from) points.unshift(nearest(points[0] ?? centre(to.shown), from.shown));
    if (to) points.push(nearest(points.at(-1), to.shown));
    if (to) points[points.length - 1] = drawHead(part, path, points);
    set(path, "d", `M${points.map((p) => `${round(p.x)},${round(p.y)}`).join("L")}`);
  };
  // The point of a box that is nearest to a point outside it, but not at a rounded corner.
  const nearest = (point, box) => {
    const near = {};
    for (const axis of ["x", "y"]) {
      const [low, high] = box[axis];
      const room = axis === along ? 0 : 8;
      near[axis] = Math.min(Math.max(point[axis], low + room), high - room);
    }
    return near;
  };
  // Draw a head at the end of a line; returns where the line ends behind it.
  const drawHead = (part, path, points) => {
    const tip = points.at(-1);
    const before = points.findLast((p) => Math.hypot(p.x - tip.x, p.y - tip.y) > HEAD) ?? points[0];
    const length = Math.hypot(tip.x - before.x, tip.y - before.y) || 1;
    const [dx, dy] = [(tip.x - before.x) / length, (tip.y - before.y) / length];
    const back = { x: tip.x - dx * HEAD, y: tip.y - dy * HEAD };
    const head = document.createElementNS(SVG, "polygon");
    const corners = [
      [back.x - dy * 1.9, back.y + dx * 1.9], [tip.x, tip.y], [back.x + dy * 1.9, back.y - dx * 1.9],
    ];
    set(head, "class", "more");
    set(head, "points", corners.map((corner) => corner.map(round).join(",")).join(" "));
    for (const key of ["stroke", "stroke-width"]) set(head, key, path.getAttribute(key));
    set(head, "fill", path.getAttribute("stroke"));
    part.append(head);
    return back;
  };
  const need = (frame) => ({
    x: 16 + Math.max(frame.place.x[1] - frame.place.x[0], ...frame.figures.map((t) => 4.4 * t.length)),
    y: 22 + 11 * frame.figures.length,
  });
  const resize = () => {
    const box = extent(grounds[0]);
    svg.viewBox.baseVal.width = Math.max(box.x[1] - box.x[0], widthOfLegend() + 24);
    svg.viewBox.baseVal.height = box.y[1] - box.y[0];
    const [x, y] = [-box.x[0], -box.y[0]];
    set(root, "transform", `translate(${round(x)} ${round(y)})`);
  };
  const widthOfLegend = () =>
    Math.max(0, ...legend.map((part) => extent(part).x[1])) - extent(grounds[0]).x[0];
  const end = (kind) => nodes.find(({ part }) => part.id.startsWith(`net.${kind}.`))?.box;
  const [input, output] = [end("input"), end("output")].map((box) => (box ? centre(box) : { x: 0, y: 0 }));
  // The axis along which the data flow.
  const along = Math.abs(output.y - input.y) >= Math.abs(output.x - input.x) ? "y" : "x";
  const across = along === "y" ? "x" : "y";

  const toggle = (frame) => {
    if (!closed.delete(frame)) closed.add(frame);
    lay();
  };
  return {
    frames,
    toggle,
    // Fold every outermost frame, or unfold all frames.
    all: (isFolded) => {
      if (!frames.length) return;
      closed.clear();
      if (isFolded) {
        for (const frame of frames) {
          const outer = frames.filter((f) => holds(f.box, frame.box));
          if (largest(outer) === frame) closed.add(frame);
        }
      }
      lay();
    },
    // What shows a part of the picture: itself, or the folded frame around it.
    shown: (part) => {
      const box = part && [...nodes, ...frames].find((item) => item.part === part);
      return (box && hider(box.box)?.part) ?? part;
    },
  };
})();
