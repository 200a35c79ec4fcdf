// The training worker, on the processor or on the graphics processor.

import type { Order, Report } from "./orders";

export type Device = "wasm" | "webgpu";

// Whether the browser can compute on a graphics processor.
export async function hasGpu(): Promise<boolean> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  if (!gpu || !("Suspending" in WebAssembly)) return false;
  return (await gpu.requestAdapter().catch(() => null)) !== null;
}

export class Trainer {
  device: Device = "wasm";
  private worker: Worker | null = null;

  constructor(private onReport: (report: Report) => void) {}

  // The worker starts with the first order: its files are large.
  send(order: Order, transfer: Transferable[] = []): void {
    this.worker ??= this.start();
    this.worker.postMessage(order, transfer);
  }

  // From now on, another processor computes; its worker knows neither the net nor the data.
  restart(device: Device): void {
    this.worker?.terminate();
    this.worker = null;
    this.device = device;
  }

  private start(): Worker {
    const worker = new Worker(`training-${this.device}.js`, { type: "module" });
    worker.addEventListener("message", (event: MessageEvent<Report>) => this.onReport(event.data));
    worker.addEventListener("error", (event) => {
      this.onReport({ kind: "failed", message: event.message || "onnxruntime cannot be loaded" });
    });
    return worker;
  }
}
