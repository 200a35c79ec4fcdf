// The compiler, as promises.

import type { Asker, Desk, Reply } from "./protocol";

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };

const PATIENCE = 30_000; // milliseconds, after which a request is given up

export class Compiler implements Asker {
  private worker: Worker;
  private waiting = new Map<number, Waiting>();
  private count = 0;
  private timer = 0;

  // `onProgress` gets what the compiler is doing while it starts; `onStop` is called if it had to be
  // stopped because a request took too long.
  constructor(
    private onProgress: (text: string) => void,
    private onStop: () => void,
  ) {
    this.worker = this.start();
  }

  ask<Name extends keyof Desk>(
    method: Name,
    ...args: Parameters<Desk[Name]>
  ): Promise<ReturnType<Desk[Name]>> {
    const id = ++this.count;
    this.worker.postMessage({ id, method, args });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private start(): Worker {
    const worker = new Worker("compiler-worker.js", { type: "module" });
    worker.addEventListener("message", (event: MessageEvent<Reply>) => this.take(event.data));
    worker.addEventListener("error", (event) => this.fail(event.message || "it could not be loaded"));
    return worker;
  }

  private take(reply: Reply): void {
    if ("progress" in reply) {
      this.onProgress(reply.progress);
      return;
    }
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    this.watch();
    if ("error" in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.value as never);
  }

  // From the first answer on, no answer may take longer than `PATIENCE`.
  private watch(): void {
    clearTimeout(this.timer);
    if (this.waiting.size === 0) return;
    this.timer = self.setTimeout(() => {
      this.worker.terminate();
      this.fail("the compiler needed more than 30 seconds and was stopped");
      this.worker = this.start();
      this.onStop();
    }, PATIENCE);
  }

  private fail(message: string): void {
    for (const waiting of this.waiting.values()) waiting.reject(new Error(message));
    this.waiting.clear();
  }
}
