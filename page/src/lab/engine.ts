// onnxruntime, on the processor or on the graphics processor.

import * as ort from "onnxruntime-web/wasm";
import { bytesOf } from "../weights";
import type { Device } from "./trainer";

export type Values = Record<string, ort.Tensor>;

declare const ON_GPU: boolean; // written by the build: a worker has one of the two builds of onnxruntime

export const DEVICE: Device = ON_GPU ? "webgpu" : "wasm";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL(`training/ort-${DEVICE}.wasm`, self.location.href).href };
ort.env.logLevel = "error";

// A session of a model in base64. On the graphics processor, the outputs that are `kept` stay there.
export function session(model: string, device: Device = DEVICE, kept: string[] = []): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = { executionProviders: [device] };
  if (device === "webgpu" && kept.length) {
    options.preferredOutputLocation = Object.fromEntries(kept.map((name) => [name, "gpu-buffer"]));
  }
  return ort.InferenceSession.create(bytesOf(model), options);
}

export function inputsOf(model: ort.InferenceSession): { name: string; shape: number[] }[] {
  return model.inputMetadata.map((input) => ({
    name: input.name,
    shape: input.isTensor ? input.shape.map(Number) : [],
  }));
}

export async function numbersOf(tensor: ort.Tensor | undefined): Promise<Float32Array> {
  return tensor ? ((await tensor.getData()) as Float32Array) : new Float32Array();
}

// A copy of a tensor for the processor.
export async function copied(tensor: ort.Tensor): Promise<ort.Tensor> {
  return new ort.Tensor("float32", (await numbersOf(tensor)).slice(), tensor.dims);
}

// ---- the same model on both processors

export interface Runs {
  first: Values;
  last: Values;
  time: number; // milliseconds of the last run: the first one prepares
}

export async function twice(model: ort.InferenceSession, feeds: Values): Promise<Runs> {
  const first = await model.run(feeds);
  const start = performance.now();
  const last = await model.run(feeds);
  return { first, last, time: performance.now() - start };
}

// Runs a model in base64 on the processor, whichever has the inputs.
export async function onProcessor(net: string, feeds: Values): Promise<Runs> {
  const plain: Values = {};
  for (const [name, tensor] of Object.entries(feeds)) {
    plain[name] = tensor.location === "gpu-buffer" ? await copied(tensor) : tensor;
  }
  const model = await session(net, "wasm");
  const runs = await twice(model, plain);
  await model.release();
  return runs;
}

// The largest difference of a number, as a share of the largest number of its tensor.
export async function furthest(found: Values, wanted: Values): Promise<number> {
  let difference = 0;
  for (const [name, tensor] of Object.entries(wanted)) {
    const [a, b] = [await numbersOf(found[name]), await numbersOf(tensor)];
    let [most, worst] = [1e-6, 0];
    for (let i = 0; i < b.length; i += 1) {
      most = Math.max(most, Math.abs(b[i]!));
      worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    }
    difference = Math.max(difference, worst / most);
  }
  return difference;
}
