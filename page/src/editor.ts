// The editor: highlighting, completion, hover, diagnostics with fixes, and hints at the ends of lines.

import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type CompletionContext,
  type CompletionResult,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, foldGutter, foldKeymap, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic as Lint } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  hoverTooltip,
  keymap,
  lineNumbers,
  tooltips,
  WidgetType,
  type DecorationSet,
} from "@codemirror/view";
import { paragraphs } from "./dom";
import { netdsl } from "./language";
import type { Asker, Diagnostic, Edit, Hint } from "./protocol";

const KINDS: Record<string, string> = {
  layer: "function",
  block: "class",
  argument: "property",
  label: "variable",
  word: "keyword",
  net: "type",
  value: "constant",
  function: "method",
};

export interface EditorEvents {
  onChange(text: string): void;
  onLine(line: number): void; // the cursor is on another line
}

// ---- hints

class HintWidget extends WidgetType {
  constructor(readonly text: string) {
    super();
  }

  override eq(other: HintWidget): boolean {
    return other.text === this.text;
  }

  // A click on a hint puts the cursor at the end of its line.
  override ignoreEvent(): boolean {
    return false;
  }

  override toDOM(): HTMLElement {
    const made = document.createElement("span");
    made.className = "hint";
    made.textContent = this.text;
    made.setAttribute("aria-label", `makes ${this.text}`);
    return made;
  }
}

const setHints = StateEffect.define<Hint[]>();
const hintField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    let next = shown.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(setHints)) next = decorated(transaction.state, effect.value);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function decorated(state: EditorState, hints: Hint[]): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { line, text } of hints) {
    if (line > state.doc.lines) continue;
    const end = state.doc.line(line).to;
    builder.add(end, end, Decoration.widget({ widget: new HintWidget(text), side: 1 }));
  }
  return builder.finish();
}

// ---- the editor

export class Editor {
  readonly view: EditorView;
  private line = 0;

  // The editor is in a shadow tree, because its styles are then adopted style sheets, which the
  // page's policy allows. Lists and tips stay inside the `box`, if there is one.
  constructor(
    host: HTMLElement,
    compiler: Asker,
    private events: EditorEvents,
    box: HTMLElement | null = null,
  ) {
    const root = host.attachShadow({ mode: "open" });
    this.view = new EditorView({
      root,
      parent: root,
      extensions: [
        lineNumbers(),
        foldGutter(),
        lintGutter(),
        history(),
        drawSelection(),
        indentUnit.of("    "),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        autocompletion({ override: [(context) => complete(compiler, context)] }),
        hoverTooltip((view, position) => hover(compiler, view.state.doc.toString(), position)),
        box ? tooltips({ tooltipSpace: () => visible(box) }) : [],
        hintField,
        netdsl,
        keymap.of([
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...lintKeymap,
          ...searchKeymap,
          ...foldKeymap,
          ...historyKeymap,
          ...defaultKeymap,
          indentWithTab,
        ]),
        EditorView.contentAttributes.of({ "aria-label": "text of the network" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) this.events.onChange(update.state.doc.toString());
          if (update.selectionSet || update.docChanged) this.follow();
        }),
        theme,
      ],
    });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  set text(text: string) {
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: text },
      selection: { anchor: 0 },
    });
    this.view.scrollDOM.scrollTop = 0;
  }

  show(diagnostics: Diagnostic[], hints: Hint[]): void {
    const length = this.view.state.doc.length;
    const here = diagnostics.filter((d) => d.from !== undefined && d.to !== undefined && d.to <= length);
    this.view.dispatch({ effects: setHints.of(hints) });
    this.view.dispatch(setDiagnostics(this.view.state, here.map((d) => this.lint(d))));
  }

  showDiagnostics(diagnostics: Diagnostic[]): void {
    const length = this.view.state.doc.length;
    const here = diagnostics.filter((d) => d.to !== undefined && d.to <= length);
    this.view.dispatch(setDiagnostics(this.view.state, here.map((d) => this.lint(d))));
  }

  // Puts the cursor at the start of a line.
  select(line: number): void {
    if (line > this.view.state.doc.lines) return;
    this.line = line;
    const { from } = this.view.state.doc.line(line);
    this.view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
  }

  selectStretch(from: number, to: number): void {
    this.view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
    this.view.focus();
  }

  apply(edits: Edit[]): void {
    this.view.dispatch({ changes: edits.map(({ from, to, insert }) => ({ from, to, insert })) });
    this.view.focus();
  }

  private follow(): void {
    const line = this.view.state.doc.lineAt(this.view.state.selection.main.head).number;
    if (line !== this.line) {
      this.line = line;
      this.events.onLine(line);
    }
  }

  private lint(diagnostic: Diagnostic): Lint {
    const { from = 0, to = 0, severity, message, help, code, fix } = diagnostic;
    const made: Lint = {
      from,
      to,
      severity: severity === "note" ? "info" : severity,
      source: code,
      message: help ? `${message}\nhelp: ${help}` : message,
    };
    if (fix.length) made.actions = [{ name: "Fix", apply: () => this.apply(fix) }];
    return made;
  }
}

// The part of a box that the window shows.
function visible(box: HTMLElement): { top: number; left: number; bottom: number; right: number } {
  const { top, left, bottom, right } = box.getBoundingClientRect();
  return {
    ...{ top: Math.max(top, 0), left: Math.max(left, 0) },
    ...{ bottom: Math.min(bottom, innerHeight), right: Math.min(right, innerWidth) },
  };
}

async function complete(compiler: Asker, context: CompletionContext): Promise<CompletionResult | null> {
  const before = context.matchBefore(/[\w@]+/);
  if (!before && !context.explicit) return null;
  const { from, items } = await compiler.ask("complete", context.state.doc.toString(), context.pos);
  if (context.aborted || !items.length) return null;
  return {
    from,
    validFor: /^\w*$/,
    options: items.map(({ label, kind, detail, insert }, i) => ({
      label,
      type: KINDS[kind] ?? "text",
      detail: detail.length > 60 ? `${detail.slice(0, 57)}...` : detail,
      apply: insert,
      boost: -Math.min(i, 99),
    })),
  };
}

async function hover(compiler: Asker, text: string, position: number) {
  const found = await compiler.ask("explain", text, position);
  if (found === null) return null;
  return {
    pos: found.from,
    end: found.to,
    above: true,
    create: () => ({ dom: paragraphs(found.paragraphs) }),
  };
}

const theme = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--paper)", color: "var(--ink)", fontSize: "var(--text-size, 14px)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--band)", color: "var(--soft)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--link) 9%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--link) 28%, transparent)",
  },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--line)", maxWidth: "38rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--link)", color: "var(--paper)" },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.75" },
  ".cm-panels": { backgroundColor: "var(--band)", color: "var(--ink)" },
  ".cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--link) 20%, transparent) !important" },
  ".hint": { marginLeft: "2em", color: "var(--soft)", fontSize: "0.85em", opacity: "0.85", whiteSpace: "pre" },
  ".paragraphs": { padding: "0.25rem 0.6rem", maxHeight: "22rem", overflow: "auto" },
  ".paragraphs p, .paragraphs ul, .paragraphs pre": { margin: "0.35rem 0", whiteSpace: "pre-wrap" },
  ".paragraphs ul": { paddingLeft: "1.1rem" },
  ".paragraphs pre": { fontFamily: "var(--mono)", fontSize: "0.9em" },
  ".cm-diagnostic": { whiteSpace: "pre-wrap" },
});
