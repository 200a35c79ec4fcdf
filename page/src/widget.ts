// The widget of notebooks: editor, table and picture of a net that the kernel compiles.

import { element } from "./dom";
import { Editor } from "./editor";
import { Kernel, type Model } from "./kernel";
import { setFamilyColours } from "./language";
import { messages, summary } from "./messages";
import { onTheme, themeBehind, type Theme } from "./paper";
import parts from "./parts.css";
import { Picture } from "./picture";
import type { Diagnostic } from "./protocol";
import { SizeFields } from "./sizes";
import { LayerTable } from "./table";
import own from "./widget.css";

const PAUSE = 120; // milliseconds without a key, after which the text is compiled
const TABS = { table: "Table", picture: "Picture" };

const DEPTHS = [
  ["", "folded to fit"],
  ["1", "folded to depth 1"],
  ["2", "folded to depth 2"],
  ["99", "open"],
] as const;
const NARROW = 700; // pixels: below, the table is under the text

type Tab = keyof typeof TABS;

class NetView {
  private root: ShadowRoot;
  private kernel: Kernel;
  private editor: Editor;
  private table: LayerTable;
  private picture: Picture;
  private sizes: SizeFields;
  private nets = element("select", { "aria-label": "net" });
  private status = element("output", { id: "status", "aria-live": "polite" });
  private depth = element("select", { "aria-label": "blocks" });
  private tab: Tab = "table";
  private theme: Theme = "light";
  private shownNet: string | null = null; // whose table is shown
  private selected: { line: number | null; name: string | null } = { line: null, name: null };
  private timer = 0;
  private ends: (() => void)[] = [];

  constructor(
    private model: Model,
    private host: HTMLElement,
  ) {
    this.root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`${parts}\n${own}`);
    this.root.adoptedStyleSheets = [sheet];
    this.build();
    this.kernel = new Kernel(model);
    const events = {
      onChange: () => this.changed(),
      onLine: (line: number) => this.select(line, null, "text"),
    };
    this.editor = new Editor(this.part("editor"), this.kernel, events, this.part("panes"));
    this.table = new LayerTable(this.part("table"), (row) => this.select(row.line, row.name, "table"));
    this.picture = new Picture(this.part("drawing"), {
      onSelect: (name, line) => this.select(line, name, "picture"),
    });
    this.sizes = new SizeFields(this.part("sizes"), (sizes) => this.save("sizes", sizes));
    setFamilyColours(host);
    this.connect();
  }

  close(): void {
    clearTimeout(this.timer);
    for (const end of this.ends) end();
    this.kernel.close();
    this.editor.view.destroy();
  }

  private part<Type extends HTMLElement>(id: string): Type {
    return this.root.getElementById(id) as Type;
  }

  private build(): void {
    const tabs = Object.entries(TABS).map(([name, label]) =>
      element("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": name }, label),
    );
    this.depth.append(...DEPTHS.map(([value, text]) => element("option", { value }, text)));
    const button = (id: string, text: string, label: string) =>
      element("button", { type: "button", id, "aria-label": label }, text);
    const tools = element(
      "div",
      { class: "tools" },
      ...[button("smaller", "−", "smaller"), button("larger", "+", "larger"), button("fit", "Fit", "fit")],
      element("label", {}, "blocks ", this.depth),
    );
    const region = { id: "drawing", tabindex: "0", role: "region", "aria-label": "picture" };
    this.root.append(
      element(
        "div",
        { id: "bar" },
        ...[this.nets, element("form", { id: "sizes", "aria-label": "sizes of the inputs" }), this.status],
        ...[element("span", { class: "space" }), element("span", { role: "tablist" }, ...tabs)],
      ),
      element(
        "div",
        { id: "panes" },
        element("div", { id: "text" }, element("div", { id: "editor" }), element("div", { id: "messages", role: "log" })),
        element(
          "div",
          { id: "side" },
          element("section", { id: "table", role: "tabpanel", "aria-labelledby": "tab-table" }),
          element("section", { id: "picture", role: "tabpanel", "aria-labelledby": "tab-picture" }, tools, element("div", region)),
        ),
      ),
    );
  }

  private connect(): void {
    const listen = (event: string, take: () => void) => {
      this.model.on(event, take);
      this.ends.push(() => this.model.off(event, take));
    };
    listen("change:text", () => this.takeText());
    listen("change:_shown", () => this.show());
    this.nets.addEventListener("change", () => this.save("name", this.nets.value));
    for (const name of Object.keys(TABS) as Tab[]) {
      this.part(`tab-${name}`).addEventListener("click", () => this.open(name));
    }
    this.part("larger").addEventListener("click", this.picture.larger);
    this.part("smaller").addEventListener("click", this.picture.smaller);
    this.part("fit").addEventListener("click", this.picture.fit);
    this.depth.addEventListener("change", () => this.draw());
    // Keys in the widget are no shortcuts of the notebook.
    this.host.setAttribute("data-lm-suppress-shortcuts", "true");
    this.host.addEventListener("keydown", (event) => event.stopPropagation());
    this.ends.push(onTheme(() => this.takeTheme()));
    const observer = new ResizeObserver(() => this.host.classList.toggle("narrow", this.host.clientWidth < NARROW));
    observer.observe(this.host);
    this.ends.push(() => observer.disconnect());
    this.takeText();
    this.show();
    this.open("table");
    requestAnimationFrame(() => this.takeTheme()); // once the widget is in the page
  }

  private takeTheme(): void {
    const theme = themeBehind(this.host.parentElement ?? document.body);
    const isOther = theme !== this.theme;
    this.theme = theme;
    this.host.dataset["theme"] = theme;
    if (isOther) this.draw();
  }

  // ---- the text

  private changed(): void {
    clearTimeout(this.timer);
    this.timer = self.setTimeout(() => this.save("text", this.editor.text), PAUSE);
  }

  private save(name: "text" | "name" | "sizes", value: unknown): void {
    this.model.set(name, value);
    this.model.save_changes();
  }

  private takeText(): void {
    const text = this.model.get("text");
    if (text === this.editor.text) return;
    this.editor.text = text;
    clearTimeout(this.timer); // the kernel has this text already
  }

  // ---- what the kernel makes of it

  private show(): void {
    const shown = this.model.get("_shown");
    this.editor.show(shown.diagnostics, shown.is_stale ? [] : shown.hints);
    this.showMessages(shown.diagnostics);
    this.nets.replaceChildren(...shown.names.map((name) => element("option", { value: name }, name)));
    if (shown.net !== null) this.nets.value = shown.net;
    this.nets.hidden = shown.names.length < 2;
    // While a net has errors, the widget shows its last version without, but pale.
    const isStale = shown.is_stale || (shown.table === null && shown.net === this.shownNet);
    this.part("side").classList.toggle("stale", isStale);
    if (shown.table !== null) {
      this.shownNet = shown.net;
      this.table.show(shown.table);
      this.sizes.show(shown.table.symbols, this.model.get("sizes"));
      this.draw();
    } else if (!isStale) {
      this.shownNet = null;
      const text = shown.net === null ? "The text has no net yet." : "This net has errors.";
      this.part("table").replaceChildren(element("p", { class: "empty" }, text));
      this.picture.clear(text);
    }
    void this.showRest(this.editor.text);
  }

  // The diagnostics of the other nets come a little later.
  private async showRest(text: string): Promise<void> {
    const rest = await this.kernel.ask("rest");
    if (text === this.editor.text) this.showMessages(rest);
  }

  private showMessages(diagnostics: Diagnostic[]): void {
    const { text, kind } = summary(diagnostics);
    this.status.textContent = text;
    this.status.className = kind;
    this.part("messages").replaceChildren(...messages(diagnostics, this.editor));
    this.editor.showDiagnostics(diagnostics);
  }

  private open(tab: Tab): void {
    this.tab = tab;
    for (const name of Object.keys(TABS)) {
      this.part(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
      this.part(name).hidden = name !== tab;
    }
    this.draw();
  }

  private draw(): void {
    if (this.tab !== "picture" || this.shownNet === null) return;
    const depth = this.depth.value ? Number(this.depth.value) : null;
    const drawing = this.kernel.ask("drawing", this.theme, depth, "down");
    const label = `picture of ${this.shownNet}: its layers from input to output`;
    void this.picture.draw(drawing, label).then(() => {
      this.picture.mark(this.selected.line, this.selected.name, false);
    });
  }

  private select(line: number | null, name: string | null, from: "text" | "table" | "picture"): void {
    this.selected = { line, name };
    this.table.mark(line, name, from !== "table");
    this.picture.mark(line, name, from !== "picture");
    if (from !== "text" && line !== null) this.editor.select(line);
  }
}

export default {
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    const host = element("div");
    el.append(host);
    const view = new NetView(model, host);
    return () => view.close();
  },
};
