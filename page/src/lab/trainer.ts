// The training worker, with the order in which the page must call it.

import type { Order, Report } from "./orders";

export class Trainer {
  private worker: Worker | null = null;

  constructor(private onReport: (report: Report) => void) {}

  // The worker starts with the first order: its files are large.
  send(order: Order, transfer: Transferable[] = []): void {
    this.worker ??= this.start();
    this.worker.postMessage(order, transfer);
  }

  private start(): Worker {
    const worker = new Worker("training-worker.js", { type: "module" });
    worker.addEventListener("message", (event: MessageEvent<Report>) => this.onReport(event.data));
    worker.addEventListener("error", (event) => {
      this.onReport({ kind: "failed", message: event.message || "onnxruntime cannot be loaded" });
    });
    return worker;
  }
}
