// Whether a notebook is light or dark.

export type Theme = "light" | "dark";

// The theme of the paper behind an element: front ends have no common sign of it but its colour.
export function themeBehind(element: Element): Theme {
  for (let at: Element | null = element; at; at = at.parentElement ?? hostOf(at)) {
    const [red = 0, green = 0, blue = 0, alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
    if (alpha > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Calls `act` when the theme may have changed; returns what ends that.
export function onTheme(act: () => void): () => void {
  const observer = new MutationObserver(act);
  for (const part of [document.documentElement, document.body]) observer.observe(part, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", act);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", act);
  };
}

function hostOf(element: Element): Element | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}

// The numbers of a computed colour, `rgb(1, 2, 3)` or `rgba(1, 2, 3, 0.5)`.
function numbers(colour: string): number[] {
  return (colour.match(/[\d.]+/g) ?? []).map(Number);
}
