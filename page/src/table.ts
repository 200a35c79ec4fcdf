// The table of layers as a tree, with the totals.

import { element, reveal } from "./dom";
import type { Row, Table } from "./protocol";

const HEADS = ["layer", "kind", "window", "output", "params", "MACs", "from"];

export class LayerTable {
  private rows: { row: Row; line: HTMLTableRowElement }[] = [];
  private box: HTMLElement | null = null; // which scrolls

  constructor(
    private host: HTMLElement,
    private onSelect: (row: Row) => void,
  ) {}

  show(table: Table): void {
    this.rows = [];
    const body = element("tbody");
    for (const row of table.rows) {
      const line = this.line(row);
      this.rows.push({ row, line });
      body.append(line);
    }
    const head = HEADS.map((text) => element("th", { scope: "col", ...(number(text) ? { class: "n" } : {}) }, text));
    const whole = element(
      "table",
      {},
      element("caption", {}, "Shapes are of one sample."),
      element("thead", {}, element("tr", {}, ...head)),
      body,
    );
    const totals = element("dl", { class: "totals" });
    for (const { label, text } of table.totals) {
      totals.append(element("div", {}, element("dt", {}, label), element("dd", {}, text)));
    }
    const ends = element("p", { class: "ends" }, ends_of(table));
    this.box = element("div", { class: "scroll" }, whole);
    this.host.replaceChildren(ends, totals, this.box);
  }

  // Marks the rows of a line of the text, or of a layer.
  mark(line: number | null, name: string | null, scroll: boolean): void {
    let first: HTMLElement | null = null;
    for (const { row, line: shown } of this.rows) {
      const isMarked = name !== null ? row.name === name : line !== null && row.line === line;
      shown.classList.toggle("selected", isMarked);
      if (isMarked) {
        shown.setAttribute("aria-current", "true");
        first ??= shown;
      } else shown.removeAttribute("aria-current");
    }
    if (scroll && first && this.box) reveal(first, this.box);
  }

  private line(row: Row): HTMLTableRowElement {
    const label = element("th", { scope: "row" }, row.label);
    label.style.paddingLeft = `${0.75 + row.indent * 0.6}rem`;
    const macs = element("td", { class: "n" }, row.macs);
    if (row.macs !== row.formula && row.formula !== "0") macs.title = row.formula;
    const made = element(
      "tr",
      { class: row.style, tabindex: "0" },
      label,
      element("td", {}, row.kind),
      element("td", {}, row.window),
      element("td", {}, row.output),
      element("td", { class: "n" }, row.params),
      macs,
      element("td", {}, row.sources.join(", ")),
    );
    made.addEventListener("click", () => this.onSelect(row));
    made.addEventListener("keydown", (event) => {
      const next = { ArrowDown: made.nextElementSibling, ArrowUp: made.previousElementSibling }[event.key];
      if (event.key === "Enter") this.onSelect(row);
      else if (next instanceof HTMLElement) next.focus();
      else return;
      event.preventDefault();
    });
    return made;
  }
}

function number(head: string): boolean {
  return head === "params" || head === "MACs";
}

function ends_of(table: Table): string {
  const text = (ends: { name: string; shape: string[] }[]) =>
    ends.map(({ name, shape }) => `${name} ${shape.join("x")}`).join(", ");
  return `${text(table.inputs)} → ${text(table.outputs)}`;
}
