// Fresh weights, and files that have weights: ONNX models and safetensors.

import type { ModelPieces, Start } from "./protocol";

export type Weights = Map<string, { shape: number[]; numbers: Float32Array<ArrayBuffer> }>;

// A stream of random numbers from 0 to 1: xoshiro128** (Blackman and Vigna, 2018), seeded by
// splitmix32, so that the same seed gives the same weights in every browser.
export function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, d] = [next(), next(), next(), next()];
  return () => {
    const turned = Math.imul(b, 5);
    const result = Math.imul((turned << 7) | (turned >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result / 2 ** 32;
  };
}

export function fresh(start: Start, random: () => number): Float32Array<ArrayBuffer> {
  const size = start.shape.reduce((product, side) => product * side, 1);
  const numbers = new Float32Array(size);
  if (start.values.length) numbers.set(start.values);
  else if (start.kind === "constant") numbers.fill(start.scale);
  else if (start.kind === "uniform") numbers.forEach((_, i) => (numbers[i] = (2 * random() - 1) * start.scale));
  else for (let i = 0; i < size; i += 1) numbers[i] = normal(random) * start.scale;
  return numbers;
}

// A number from the normal distribution (Box and Muller, 1958).
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function freshWeights(starts: Start[], seed: number): Weights {
  const random = randomStream(seed);
  return new Map(starts.map((start) => [start.name, { shape: start.shape, numbers: fresh(start, random) }]));
}

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// An ONNX model with these weights; tensors without any get fresh ones.
export function onnxModel(model: ModelPieces, weights: Weights, seed: number): Blob {
  if (!model.tensors.length) return new Blob([bytesOf(model.whole)]);
  const random = randomStream(seed);
  const parts = model.tensors.flatMap((start, i) => [
    bytesOf(model.pieces[i] ?? ""),
    weights.get(start.name)?.numbers ?? fresh(start, random),
  ]);
  return new Blob(parts);
}

// A safetensors file: the length of the header, the header as JSON, and the numbers.
export function safetensors(weights: Weights, metadata: Record<string, string>): Blob {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let place = 0;
  for (const [name, { shape, numbers }] of weights) {
    header[name] = { dtype: "F32", shape, data_offsets: [place, (place += numbers.byteLength)] };
  }
  let text = JSON.stringify(header);
  text += " ".repeat(-new TextEncoder().encode(text).length & 7);
  const bytes = new TextEncoder().encode(text);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(bytes.length), true);
  return new Blob([length.buffer, bytes, ...[...weights.values()].map(({ numbers }) => numbers)]);
}
