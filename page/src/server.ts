// The server of `netdsl view`: the file that the page shows, and a training with PyTorch.

const KEPT = "netdsl.token";

export interface ServedFile {
  name: string;
  net: string | null; // the one to show first
  text: string;
  sum: string; // what tells two versions of the text apart
  can_save: boolean;
  beside: Record<string, string>; // the files that it can import
}

export type TrainingEvent =
  | { kind: "started"; folder: string }
  | { kind: "epoch"; record: Record<string, number> }
  | { kind: "line"; text: string }
  | { kind: "ended"; code: number };

export interface ServerEvents {
  onFile(sum: string): void; // the file on the disk has this sum
  onTraining(event: TrainingEvent): void;
  onLost(message: string): void;
}

// The token of the page's address, which is then hidden. It stays while the tab is open.
export function takeToken(): string | null {
  const given = location.hash.match(/^#token=([\w-]+)$/)?.[1];
  if (given === undefined) return location.hash ? null : sessionStorage.getItem(KEPT);
  sessionStorage.setItem(KEPT, given);
  history.replaceState(null, "", location.pathname);
  return given;
}

export class Server {
  constructor(private token: string) {}

  async open(): Promise<ServedFile> {
    return (await this.ask("GET", "file")) as ServedFile;
  }

  // Saves the text; `known` is the sum of the version that it replaces. Returns the new sum.
  async save(text: string, known: string): Promise<string> {
    const answer = (await this.ask("PUT", "file", { text, sum: known })) as { sum: string };
    return answer.sum;
  }

  async train(net: string, settings: Record<string, string>): Promise<void> {
    await this.ask("POST", "train", { net, settings });
  }

  async stop(): Promise<void> {
    await this.ask("DELETE", "train");
  }

  // Follows the events of the server. `EventSource` cannot send the token, so this reads the stream.
  async follow(events: ServerEvents): Promise<void> {
    try {
      const answer = await fetch("api/events", { headers: this.headers() });
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) break;
        text += part.value;
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) this.pass(block, events);
      }
    } catch {
      // The connection ended, as reported below.
    }
    events.onLost("netdsl view has ended: changes are no longer saved");
  }

  private pass(block: string, events: ServerEvents): void {
    const name = block.match(/^event: (.*)$/m)?.[1];
    const data = block.match(/^data: (.*)$/m)?.[1];
    if (data === undefined) return;
    const value = JSON.parse(data);
    if (name === "file" && "sum" in value) events.onFile(value.sum);
    if (name === "training") events.onTraining(value);
  }

  private async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const init: RequestInit = { method, headers: this.headers() };
    if (body !== undefined) init.body = JSON.stringify(body);
    const answer = await fetch(`api/${path}`, init);
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.error);
    return value;
  }

  private headers(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` };
  }
}
