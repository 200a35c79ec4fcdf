// The colours of the language. Layers have the colours of their boxes in a picture.

import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { Tag, tags } from "@lezer/highlight";
import words from "words.json";

const KEYWORDS = new Set([...words.keywords, ...words.forms]);
const BLOCKS = new Set(words.blocks);
const FAMILIES = new Map(Object.keys(words.colours).map((name) => [name, Tag.define(name)]));
const BLOCK = Tag.define("block");
const REFERENCE = Tag.define("reference");

interface State {
  atStart: boolean; // whether a label can come next
}

const parser = StreamLanguage.define<State>({
  name: "netdsl",
  startState: () => ({ atStart: true }),
  token(stream, state) {
    if (stream.sol()) state.atStart = true;
    if (stream.eatSpace()) return null;
    const isStart = state.atStart;
    state.atStart = false;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"[^"]*"?/)) return isStart && stream.match(/^\s*:/, false) ? "labelName" : "string";
    if (stream.match(/^@[\w.{}]*/)) return "reference";
    if (stream.match(/^\d+(x(\d+|[A-Z]\w*))+/)) return "number";
    if (stream.match(/^\d[\d_]*(\.\d+)?(e[+-]?\d+)?/)) return "number";
    const name = stream.match(/^[A-Za-z_]\w*(\{[^}]*\})?\w*/) as RegExpMatchArray | null;
    if (name !== null) {
      const word = name[0];
      if (stream.match(/^\s*:(?!:)/, false) && !KEYWORDS.has(word)) return "labelName";
      if (KEYWORDS.has(word)) {
        state.atStart = word === "input" || word === "output";
        return "keyword";
      }
      if (stream.match(/^\s*=(?!=)/, false)) return "propertyName";
      const family = words.layers[word];
      if (family !== undefined) return FAMILIES.has(family) ? family : "variableName";
      return BLOCKS.has(word) ? "block" : "variableName";
    }
    if (stream.match("->")) {
      state.atStart = true;
      return "operator";
    }
    state.atStart = /[{|]/.test(stream.next() ?? "");
    return "punctuation";
  },
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
  tokenTable: { ...Object.fromEntries(FAMILIES), block: BLOCK, reference: REFERENCE },
});

const style = HighlightStyle.define([
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: tags.keyword, color: "var(--keyword)", fontWeight: "600" },
  { tag: [tags.number, tags.string], color: "var(--value)" },
  { tag: tags.labelName, color: "var(--label)", fontWeight: "600" },
  { tag: REFERENCE, color: "var(--label)" },
  { tag: tags.propertyName, color: "var(--soft)" },
  { tag: [tags.operator, tags.punctuation], color: "var(--soft)" },
  { tag: BLOCK, color: "var(--ink)", fontWeight: "600" },
  ...[...FAMILIES].map(([name, tag]) => ({ tag, color: `var(--family-${name})` })),
]);

export const netdsl = [parser, syntaxHighlighting(style)];

// The colours of families as variables; those on light paper are mixed with black to be readable.
export function setFamilyColours(root: HTMLElement): void {
  for (const [name, [light, dark]] of Object.entries(words.colours)) {
    const text = `color-mix(in srgb, ${light} 70%, black)`;
    root.style.setProperty(`--family-${name}`, `light-dark(${text}, ${dark})`);
  }
}
