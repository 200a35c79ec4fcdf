// The compiler in the kernel of a notebook, as promises.

import type { Asker, Desk, Update } from "./protocol";

// What anywidget gives to a widget: https://anywidget.dev/en/afm/
export interface Model {
  get(name: "text" | "name"): string;
  get(name: "sizes"): Record<string, number>;
  get(name: "_shown"): Update;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, take: (content: never) => void): void;
  off(event: string, take: (content: never) => void): void;
  send(content: unknown): void;
}

type Answer = { id: string; value?: unknown; error?: string };
type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };

export class Kernel implements Asker {
  private waiting = new Map<string, Waiting>();
  private count = 0;
  private own = crypto.getRandomValues(new Uint32Array(2)).join("-"); // other views of the model ask, too

  constructor(private model: Model) {
    model.on("msg:custom", this.take);
  }

  ask<Name extends keyof Desk>(method: Name, ...args: Parameters<Desk[Name]>): Promise<ReturnType<Desk[Name]>> {
    const id = `${this.own}-${++this.count}`;
    this.model.send({ id, method, args });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  close(): void {
    this.model.off("msg:custom", this.take);
  }

  private take = (answer: Answer): void => {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.value as never);
    else waiting?.reject(new Error(answer.error));
  };
}
