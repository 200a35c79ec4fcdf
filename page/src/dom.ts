// Small helpers to build elements. Text is never read as markup.

type Child = Node | string | null;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function find<Type extends Element>(selector: string): Type {
  const found = document.querySelector<Type>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

// The few forms of Markdown that the reference uses: code, lists, and `names`.
export function paragraphs(texts: string[]): HTMLElement {
  const made = element("div", { class: "paragraphs" });
  for (const text of texts) {
    const code = text.match(/^```\w*\n([\s\S]*)\n```$/);
    if (code) made.append(element("pre", {}, code[1] ?? ""));
    else if (text.startsWith("- ")) {
      const items = text.split("\n").map((line) => element("li", {}, ...inline(line.slice(2))));
      made.append(element("ul", {}, ...items));
    } else made.append(element("p", {}, ...inline(text)));
  }
  return made;
}

function inline(text: string): Child[] {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

export function download(name: string, content: BlobPart, type: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = element("a", { href: address, download: name });
  link.click();
  URL.revokeObjectURL(address);
}

// Scrolls a box until a part of it is visible, and nothing around the box.
export function reveal(part: Element, box: Element): void {
  const [inner, outer] = [part.getBoundingClientRect(), box.getBoundingClientRect()];
  const move = (from: number, to: number, least: number, most: number) =>
    from < least ? from - least : to > most ? Math.min(to - most, from - least) : 0;
  box.scrollTop += move(inner.top, inner.bottom, outer.top, outer.bottom);
  box.scrollLeft += move(inner.left, inner.right, outer.left, outer.right);
}
