// The picture of the net. Graphviz lays it out elsewhere, and the page takes only known elements.

import { element, reveal } from "./dom";

const NAMESPACE = "http://www.w3.org/2000/svg";
const ELEMENTS = new Set(["svg", "g", "path", "polygon", "polyline", "ellipse", "circle", "rect", "line", "text", "tspan", "title", "a"]);
const ATTRIBUTES = new Set(
  `viewBox id class transform points d cx cy rx ry r x y x1 y1 x2 y2 width height fill fill-opacity
  stroke stroke-width stroke-dasharray stroke-opacity text-anchor font-family font-size font-weight
  font-style text-decoration textLength lengthAdjust`.split(/\s+/),
);
const STEP = 1.25;
const READABLE = 0.8; // a tall picture is not made smaller than this, if it is as wide as a third of its place

export interface PictureEvents {
  onSelect(name: string, line: number | null): void;
}

export class Picture {
  private asked = 0;
  private scale = 1;
  private size = { width: 1, height: 1 };
  private isFitted = true;

  constructor(
    private host: HTMLElement,
    private events: PictureEvents,
  ) {
    new ResizeObserver(() => this.isFitted && this.fit()).observe(host);
  }

  // Shows an SVG once it is drawn; a later call replaces an earlier one that has not finished.
  async draw(drawing: Promise<string>, label: string): Promise<void> {
    const id = ++this.asked;
    try {
      const svg = await drawing;
      if (id === this.asked) this.show(svg, label);
    } catch (error) {
      if (id === this.asked) this.clear((error as Error).message);
    }
  }

  clear(text: string): void {
    this.asked += 1;
    this.host.replaceChildren(element("p", { class: "empty" }, text));
  }

  get svg(): SVGSVGElement | null {
    return this.host.querySelector("svg");
  }

  zoom(factor: number): void {
    this.isFitted = false;
    this.resize(this.scale * factor);
  }

  larger = () => this.zoom(STEP);
  smaller = () => this.zoom(1 / STEP);

  fit = () => {
    this.isFitted = true;
    if (this.host.clientWidth === 0) return; // it is hidden, and is fitted when it appears
    const wide = (this.host.clientWidth - 24) / this.size.width;
    const high = (this.host.clientHeight - 24) / this.size.height;
    this.resize(Math.min(wide, Math.max(high, Math.min(wide / 3, READABLE)), 2));
  };

  // Marks the box of a layer, or the boxes of a line of the text.
  mark(line: number | null, name: string | null, scroll: boolean): void {
    let first: Element | null = null;
    const own = name === null ? null : this.box(name);
    for (const group of this.host.querySelectorAll("g[data-name]")) {
      const isLine = own === null && line !== null && group.getAttribute("data-line") === String(line);
      const isMarked = group === own || (isLine && !group.classList.contains("cluster"));
      group.classList.toggle("selected", isMarked);
      if (isMarked) first ??= group;
    }
    if (scroll && first) reveal(first, this.host);
  }

  // The box of a layer, or that of the block that it is folded into.
  private box(name: string): Element | null {
    for (let part = name; part; part = part.slice(0, Math.max(part.lastIndexOf("."), 0))) {
      const found = this.host.querySelector(`g[data-name="${CSS.escape(part)}"]`);
      if (found !== null) return found;
    }
    return null;
  }

  private show(drawn: string, label: string): void {
    const source = new DOMParser().parseFromString(drawn, "image/svg+xml").documentElement;
    const svg = copied(source) as SVGSVGElement;
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const box = svg.viewBox.baseVal;
    this.size = { width: (box.width * 4) / 3, height: (box.height * 4) / 3 };
    this.host.replaceChildren(svg);
    for (const group of svg.querySelectorAll<SVGGElement>("g[data-name]")) {
      group.addEventListener("click", (event) => {
        event.stopPropagation();
        const line = group.getAttribute("data-line");
        this.events.onSelect(group.getAttribute("data-name") ?? "", line === null ? null : Number(line));
      });
    }
    if (this.isFitted) this.fit();
    else this.resize(this.scale);
  }

  private resize(scale: number): void {
    this.scale = Math.min(Math.max(scale, 0.05), 8);
    this.svg?.setAttribute("width", String(this.size.width * this.scale));
    this.svg?.setAttribute("height", String(this.size.height * this.scale));
  }
}

// A copy that has only the elements and attributes of a picture. Links become the lines they name.
function copied(source: Element): Element {
  const made = document.createElementNS(NAMESPACE, source.localName);
  for (const { name, value } of source.attributes) {
    if (ATTRIBUTES.has(name) && name !== "id") made.setAttribute(name, value);
  }
  if (/^(node|cluster)$/.test(source.getAttribute("class") ?? "")) {
    made.setAttribute("data-name", (source.getAttribute("id") ?? "").replace(/\.$/, ""));
    const link = source.querySelector(":scope > g > a, :scope > a");
    const line = link?.getAttribute("xlink:href")?.match(/^#L(\d+)$/);
    if (line) made.setAttribute("data-line", line[1] ?? "");
    const tip = link?.getAttribute("xlink:title");
    if (tip) {
      const title = document.createElementNS(NAMESPACE, "title");
      title.textContent = tip;
      made.append(title);
    }
  }
  for (const child of source.childNodes) {
    if (child instanceof Element) {
      if (!ELEMENTS.has(child.localName) || child.localName === "title") continue;
      if (child.localName === "a") made.append(...[...child.children].filter((c) => ELEMENTS.has(c.localName)).map(copied));
      else made.append(copied(child));
    } else if (child.nodeType === Node.TEXT_NODE) made.append(child.textContent ?? "");
  }
  return made;
}
