// The messages about a text, with buttons that show the place and apply the fix.

import { element } from "./dom";
import type { Editor } from "./editor";
import type { Diagnostic } from "./protocol";

export type Kind = "" | "error" | "warning";

// How many errors and warnings there are.
export function summary(diagnostics: Diagnostic[]): { text: string; kind: Kind } {
  const count = (severity: string) => diagnostics.filter((d) => d.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const parts = [plural(errors, "error"), plural(warnings, "warning")].filter((part) => part);
  return { text: parts.join(", ") || "no errors", kind: errors ? "error" : warnings ? "warning" : "" };
}

export function messages(diagnostics: Diagnostic[], editor: Editor): HTMLElement[] {
  return diagnostics.map((diagnostic) => message(diagnostic, editor));
}

function message(diagnostic: Diagnostic, editor: Editor): HTMLElement {
  const { severity, text, fix, from, to } = diagnostic;
  const made = element("article", { class: severity }, element("pre", {}, text.trimEnd()));
  if (from !== undefined && to !== undefined) {
    const show = element("button", { type: "button" }, "Show");
    show.addEventListener("click", () => editor.selectStretch(from, to));
    made.append(show);
  }
  if (fix.length) {
    const apply = element("button", { type: "button" }, "Fix");
    apply.addEventListener("click", () => editor.apply(fix));
    made.append(apply);
  }
  return made;
}

function plural(count: number, noun: string): string {
  if (count === 0) return "";
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
