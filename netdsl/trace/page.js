
"use strict";
// Moves a window over a map, or shows the steps of a calculation one after the other.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (name) => document.getElementById(name);
const DELAYS = [2400, 1700, 1200, 850, 600, 400, 270, 180, 100, 50]; // milliseconds, by speed
const MANY = 4; // channels that are shown below each other
const MOST_TERMS = 12; // of a sum that is written out
const NARROW = matchMedia("(max-width: 40rem)");
let frame = 0;
let timer = null;
let scene;

function number(value, digits = 5) {
  if (value === null) return "";
  const text = Number.isInteger(value) && Math.abs(value) < 1e9 ? String(value) : String(Number(value.toPrecision(digits)));
  return text.replace(/-/g, "−");
}

function total(values, result) {
  let parts = values.map((value) => (value < 0 ? `− ${number(-value)}` : `+ ${number(value)}`));
  if (parts.length > MOST_TERMS) parts = [...parts.slice(0, 6), `+ ... ${parts.length - 12} more ...`, ...parts.slice(-6)];
  const text = parts.join(" ").replace(/^\+ /, "").replace(/^− /, "−");
  return `${text} = ${number(result)}`;
}

function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A cell of a grid has few digits, and shows more of them under the mouse.
function write(cell, value) {
  cell.textContent = number(value, 3);
  cell.title = value === null || Number.isInteger(value) ? "" : number(value, 9);
}

// A table of numbers under a title; returns its cells in rows.
function grid(parent, title, rows, kind) {
  const figure = element("figure");
  const caption = figure.appendChild(element("figcaption", "", title));
  const table = figure.appendChild(element("table", `grid ${kind}${hasFractions() ? " small" : ""}`));
  const cells = rows.map((row) => {
    const line = table.appendChild(element("tr"));
    return row.map((value) => {
      const cell = line.appendChild(element("td"));
      write(cell, value);
      return cell;
    });
  });
  parent.appendChild(figure);
  return { caption, cells };
}

// Scrolls a wide grid so that the columns from one place to another are visible.
function reveal({ caption, cells }, from, to) {
  const figure = caption.parentElement;
  const left = cells[from.r][from.c].offsetLeft;
  const last = cells[to.r][to.c];
  const right = last.offsetLeft + last.offsetWidth;
  if (right > figure.scrollLeft + figure.clientWidth) figure.scrollLeft = right - figure.clientWidth;
  if (left < figure.scrollLeft) figure.scrollLeft = left;
}

// Whether the numbers are not all whole: then they are long, and are written smaller.
function hasFractions() {
  return data.outputs.some((output) => output.values.some((row) => row.some((value) => !Number.isInteger(value))));
}

// ---- a window that moves over a map

class Windows {
  constructor(root) {
    this.root = root;
    this.single = byId("single");
    this.choice = byId("output");
    data.outputs.forEach((output, i) => {
      const option = this.choice.appendChild(element("option", "", `channel ${output.number}`));
      option.value = String(i);
    });
    this.choice.parentElement.hidden = data.outputs.length < 2;
    this.choice.value = String(data.output);
    this.choice.addEventListener("change", () => this.build());
    this.single.addEventListener("change", () => {
      const place = this.place;
      frame = place * this.steps;
      show();
    });
    this.build();
    frame = (data.at[0] * this.columns + data.at[1]) * this.steps;
  }

  get output() { return data.outputs[Number(this.choice.value)]; }
  get columns() { return this.output.values[0].length; }
  get positions() { return this.output.values.length * this.columns; }
  get steps() {
    const channels = this.output.channels.length;
    return this.single.checked && data.kind === "conv" ? channels + 1 : 1;
  }
  get frames() { return this.positions * this.steps; }
  get most() { return NARROW.matches ? 1 : MANY; }
  get place() { return Math.floor(frame / this.steps); }

  build() {
    this.root.replaceChildren();
    const output = this.output;
    this.single.parentElement.hidden = data.kind !== "conv" || output.channels.length < 2;
    const channels = this.root.appendChild(element("div", "channels"));
    this.channels = output.channels.map((channel, i) => this.channel(channels, channel, i));
    const result = this.root.appendChild(element("div", "result"));
    const whole = data.whole.join(" x ");
    const cut = data.whole[0] * data.whole[1] > this.positions ? `, part of ${whole} from row ${data.first[0]}, column ${data.first[1]}` : "";
    this.result = grid(result, `output, channel ${output.number}${cut}`, output.values.map((row) => row.map(() => null)), "output");
    if (output.bias !== undefined) result.appendChild(element("p", "sum", `bias ${number(output.bias)}`));
    this.result.cells.forEach((row, i) => row.forEach((cell, j) => {
      cell.addEventListener("click", () => { pause(); frame = (i * this.columns + j + 1) * this.steps - 1; show(); });
    }));
    frame = Math.min(frame, this.frames - 1);
    show();
  }

  channel(parent, channel, i) {
    const box = parent.appendChild(element("div", "channel"));
    const row = box.appendChild(element("div", "row"));
    const made = { box, input: grid(row, this.title(channel), data.input[channel], "input") };
    made.input.cells.forEach((cells, r) => cells.forEach((cell, c) => cell.classList.toggle("pad", data.outside[r][c])));
    const empty = Array.from({ length: data.window[0] }, () => Array(data.window[1]).fill(null));
    if (data.kind === "conv") {
      row.appendChild(element("span", "sign", "·"));
      made.kernel = grid(row, "kernel", this.output.kernels[i], "kernel");
      row.appendChild(element("span", "sign", "="));
      made.products = grid(row, "products", empty, "products");
    } else {
      made.products = grid(row, "window", empty, "products");
    }
    made.sum = row.appendChild(element("p", "sum"));
    return made;
  }

  title(channel) {
    const hasPadding = data.outside.some((row) => row.some(Boolean));
    return `input, channel ${channel}${hasPadding ? ", with padding" : ""}`;
  }

  // The places of the window in the input, and its numbers.
  window(i, j, channel) {
    const found = [];
    for (let a = 0; a < data.window[0]; a += 1) {
      for (let b = 0; b < data.window[1]; b += 1) {
        const r = i * data.stride[0] + a * data.dilation[0];
        const c = j * data.stride[1] + b * data.dilation[1];
        found.push({ a, b, r, c, x: data.input[channel][r][c], taken: data.counted[r][c] });
      }
    }
    return found;
  }

  show() {
    const place = this.place;
    const step = this.steps === 1 ? this.output.channels.length : frame % this.steps;
    const [i, j] = [Math.floor(place / this.columns), place % this.columns];
    const output = this.output;
    const sums = [];
    let line = "";
    output.channels.forEach((channel, n) => {
      const isDone = n < step || step === output.channels.length;
      const isNow = n === step;
      const sum = this.showChannel(n, this.window(i, j, channel), isDone || isNow, isNow || this.steps === 1);
      sums.push(sum.value);
      if (isNow || output.channels.length === 1) line = `channel ${channel}: ${sum.line}`;
    });
    const isLast = step === output.channels.length;
    if (isLast && data.kind === "conv") {
      if (output.bias !== undefined) sums.push(output.bias);
      if (sums.length > 1) line = total(sums, output.values[i][j]);
    }
    const active = Math.min(step, output.channels.length - 1);
    this.channels.forEach((made, n) => { made.box.hidden = output.channels.length > this.most && n !== active; });
    this.showOutput(i, j, isLast);
    return `row ${i + data.first[0]}, column ${j + data.first[1]}: ${line}`;
  }

  showChannel(n, window, isShown, isNow) {
    const made = this.channels[n];
    made.box.classList.toggle("active", isNow && this.channels.length > 1 && this.steps > 1);
    for (const row of made.input.cells) for (const cell of row) cell.classList.remove("window");
    for (const { r, c } of window) made.input.cells[r][c].classList.add("window");
    reveal(made.input, window[0], window[window.length - 1]);
    const kernel = data.kind === "conv" ? this.output.kernels[n] : null;
    const numbers = window.map(({ a, b, x }) => (kernel ? x * kernel[a][b] : x));
    const result = kernel ? { value: numbers.reduce((u, v) => u + v, 0) } : this.pooled(window);
    if (kernel) result.line = total(numbers, result.value);
    window.forEach(({ a, b, taken }, k) => {
      const cell = made.products.cells[a][b];
      write(cell, isShown ? numbers[k] : null);
      cell.classList.toggle("pad", !kernel && !taken);
      cell.classList.toggle("chosen", isShown && data.kind === "maxpool" && taken && numbers[k] === result.value);
    });
    made.sum.textContent = isShown && kernel ? `sum ${number(result.value)}` : "";
    return result;
  }

  pooled(window) {
    const numbers = window.filter(({ taken }) => taken).map(({ x }) => x);
    const sum = numbers.reduce((u, v) => u + v, 0);
    switch (data.kind) {
      case "maxpool": {
        const value = Math.max(...numbers);
        return { value, line: `max(${numbers.map(number).join(", ")}) = ${number(value)}` };
      }
      case "avgpool": {
        const value = sum / numbers.length;
        return { value, line: `${total(numbers, sum)}; ${number(sum)} / ${numbers.length} = ${number(value)}` };
      }
      case "l2pool": {
        const squares = numbers.map((x) => x * x);
        const added = squares.reduce((u, v) => u + v, 0);
        return { value: Math.sqrt(added), line: `${total(squares, added)}; √${number(added)} = ${number(Math.sqrt(added))}` };
      }
      default:
        return { value: sum, line: total(numbers, sum) };
    }
  }

  showOutput(i, j, isLast) {
    const at = i * this.columns + j;
    this.result.cells.forEach((row, r) => row.forEach((cell, c) => {
      const place = r * this.columns + c;
      const isFilled = place < at || (place === at && isLast);
      write(cell, isFilled ? this.output.values[r][c] : null);
      cell.classList.toggle("now", place === at);
    }));
  }
}

// ---- the steps of a calculation

class Steps {
  constructor(root) { this.steps = [...root.querySelectorAll(".step")]; }
  get frames() { return this.steps.length; }
  show() {
    this.steps.forEach((step, i) => {
      step.classList.toggle("shown", i <= frame);
      step.classList.toggle("active", i === frame);
    });
    const step = this.steps[frame];
    const sum = step.matches(".sum") ? step : step.querySelector(".sum") || step.querySelector("h3, figcaption");
    return sum ? sum.textContent : "";
  }
}

// ---- controls

function show() {
  if (!scene) return;
  byId("line").textContent = scene.show();
  byId("count").textContent = `step ${frame + 1} of ${scene.frames}`;
}

function go(to) {
  frame = Math.max(0, Math.min(scene.frames - 1, to));
  show();
}

function pause() {
  clearTimeout(timer);
  timer = null;
  byId("play").textContent = "play";
  byId("line").setAttribute("aria-live", "polite");
}

function tick() {
  if (frame >= scene.frames - 1) { pause(); return; }
  go(frame + 1);
  timer = setTimeout(tick, DELAYS[byId("speed").value - 1]);
}

function play() {
  if (timer !== null) { pause(); return; }
  if (frame >= scene.frames - 1) go(0);
  byId("play").textContent = "pause";
  byId("line").setAttribute("aria-live", "off"); // nobody can listen so fast
  timer = setTimeout(tick, DELAYS[byId("speed").value - 1]);
}

function faster(by) {
  const speed = byId("speed");
  speed.value = Number(speed.value) + by;
}

const ACTIONS = {
  first: () => { pause(); go(0); },
  back: () => { pause(); go(frame - 1); },
  play,
  step: () => { pause(); go(frame + 1); },
  last: () => { pause(); go(scene.frames - 1); },
};
const KEYS = { " ": "play", ArrowRight: "step", ArrowLeft: "back", Home: "first", End: "last" };

for (const [name, action] of Object.entries(ACTIONS)) byId(name).addEventListener("click", action);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("select, pre")) return;
  if (event.target.matches("input[type=range]") && event.key !== " ") return; // it changes the speed
  if (event.key === " " && event.target.matches("button, input[type=checkbox]")) return; // it presses
  if (event.key === "+" || event.key === "-") faster(event.key === "+" ? 1 : -1);
  else if (KEYS[event.key]) ACTIONS[KEYS[event.key]]();
  else return;
  event.preventDefault();
});
NARROW.addEventListener("change", () => show());
byId("controls").hidden = false;
scene = data.kind === "steps" ? new Steps(byId("scene")) : new Windows(byId("scene"));
show();
