// What the page asks of the compiler, and the answers. netdsl/page/desk.py gives them.

export interface Edit {
  from: number;
  to: number;
  insert: string;
}

export interface Diagnostic {
  code: string;
  severity: "error" | "warning" | "info" | "note";
  message: string;
  help: string | null;
  text: string; // with the line and carets, as `netdsl check` prints it
  line: number | null;
  from?: number;
  to?: number;
  fix: Edit[];
}

export interface Row {
  label: string;
  name: string; // as in the identifiers of a picture
  indent: number;
  style: "" | "bold" | "dim";
  kind: string;
  window: string;
  output: string;
  params: string;
  macs: string;
  formula: string;
  sources: string[];
  line: number | null;
}

export interface End {
  name: string;
  shape: string[];
}

export interface Table {
  name: string;
  doc: string;
  inputs: End[];
  outputs: End[];
  symbols: string[]; // the sizes that the text leaves open
  rows: Row[];
  totals: { label: string; text: string }[];
}

export interface Hint {
  line: number;
  text: string;
}

export interface Update {
  names: string[];
  net: string | null;
  is_stale: boolean;
  diagnostics: Diagnostic[];
  table: Table | null;
  hints: Hint[];
}

export interface Completion {
  label: string;
  kind: string;
  detail: string;
  insert: string;
}

export interface Completions {
  from: number;
  items: Completion[];
}

export interface Explanation {
  from: number;
  to: number;
  paragraphs: string[];
}

export interface About {
  version: string;
  examples: string[];
}

// How the numbers of a tensor begin: drawn from a distribution, or the `values`.
export interface Start {
  name: string;
  shape: number[];
  kind: "constant" | "uniform" | "normal" | "bilinear" | "literal";
  scale: number;
  values: number[];
}

// An ONNX model: each of the pieces, in base64, is followed by the numbers of its tensor.
export interface ModelPieces {
  pieces: string[];
  whole: string; // the model, if it has no tensors
  tensors: Start[];
}

// What the page needs to train a net; the models are ONNX in base64, without weights.
export interface Trainable {
  step: string;
  names: {
    batch: number;
    inputs: Record<string, string>;
    outputs: Record<string, string>;
    labels: string[];
    loss: string;
    norms: string; // an output: the norm of the gradient of each of the weights `learned`
    learned: string[];
    hyper: Record<string, number>;
    state: Record<string, string>; // inputs, and the outputs with their next values
    fixed: string[];
  };
  test: string;
  look: string;
  kinds: Record<string, string>; // of the layers, by name
  starts: Start[];
  input: number[];
  output: number[];
  recipe: { loss: string; optimizer: string; batch: number; epochs: number; unused: string[] };
  data: { name: string; pad: number; mean?: number[]; std?: number[] };
}

export type Sizes = Record<string, number>; // by their names

// The methods of the desk, by name.
export interface Desk {
  about(): About;
  example(name: string): string;
  open(name: string, beside: Record<string, string>): null;
  update(text: string, net: string | null, sizes: Sizes): Update;
  rest(): Diagnostic[];
  complete(text: string, offset: number): Completions;
  explain(text: string, offset: number): Explanation | null;
  picture(theme: string, depth: number | null, direction: string): string | null; // as DOT
  drawing(theme: string, depth: number | null, direction: string): string; // as SVG; only notebooks
  torch_source(): string;
  onnx_model(): ModelPieces | null;
  training(batch: number | null, device: "wasm" | "webgpu"): Trainable;
  rates(steps: number): number[]; // factors of the rate in each step; an epoch has so many steps
}

// Asks a desk: that of the page's worker, or that of a notebook's kernel.
export interface Asker {
  ask<Name extends keyof Desk>(method: Name, ...args: Parameters<Desk[Name]>): Promise<ReturnType<Desk[Name]>>;
}

export interface Request {
  id: number;
  method: keyof Desk;
  args: unknown[];
}

export type Reply =
  | { id: number; value: unknown }
  | { id: number; error: string }
  | { id: 0; progress: string };
