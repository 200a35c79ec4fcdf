// Fields for the sizes that a net leaves open.

import { element } from "./dom";
import type { Sizes } from "./protocol";

export class SizeFields {
  private names: string[] = [];

  // `onChange` gets the sizes that are numbers.
  constructor(
    private form: HTMLFormElement,
    onChange: (sizes: Sizes) => void,
  ) {
    form.addEventListener("input", () => onChange(this.values));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  get values(): Sizes {
    const fields = [...this.form.querySelectorAll("input")].map((field) => [field.name, Number(field.value)] as const);
    return Object.fromEntries(fields.filter(([, value]) => Number.isInteger(value) && value > 0));
  }

  // Shows a field for each name; fields that are there already keep their numbers.
  show(names: string[], values: Sizes = {}): void {
    this.form.hidden = names.length === 0;
    if (names.join() !== this.names.join()) {
      this.names = names;
      const kept = this.values;
      this.form.replaceChildren(...names.map((name) => sizeField(name, values[name] ?? kept[name])));
    }
  }

  clear(): void {
    this.names = [];
    this.form.replaceChildren();
  }
}

function sizeField(name: string, value: number | undefined): HTMLElement {
  const field = element("input", { type: "number", min: "1", name, "aria-label": `size ${name}`, placeholder: name });
  if (value !== undefined) field.value = String(value);
  return element("label", {}, `${name} `, field);
}
