// Trains the net that is shown with PyTorch, through the server of `netdsl view`.

import { element, find } from "./dom";
import type { Server, TrainingEvent } from "./server";

const LINES = 200; // of the command's output that the panel shows

export class TrainingPanel {
  private start = find<HTMLButtonElement>("#train-start");
  private stop = find<HTMLButtonElement>("#train-stop");
  private state = find<HTMLOutputElement>("#train-state");
  private epochs = find<HTMLInputElement>("#train-epochs");
  private head = find<HTMLElement>("#train-head");
  private rows = find<HTMLElement>("#train-rows");
  private log = find<HTMLElement>("#train-log");
  private columns: string[] = [];

  // `net` names the net that is shown, and `saved` resolves once the server has its text.
  constructor(
    private server: Server,
    private net: () => string | null,
    private saved: () => Promise<void>,
  ) {
    const details = find<HTMLDetailsElement>("#torch-training");
    details.hidden = false;
    details.open = true;
    this.start.addEventListener("click", () => void this.begin());
    this.stop.addEventListener("click", () => void this.server.stop());
  }

  take(event: TrainingEvent): void {
    if (event.kind === "started") this.clear(`training, in ${event.folder}`, true);
    else if (event.kind === "epoch") this.row(event.record);
    else if (event.kind === "line") this.line(event.text);
    else this.ended(event.code);
  }

  private async begin(): Promise<void> {
    const net = this.net();
    if (net === null) return;
    this.start.disabled = true;
    try {
      await this.saved();
      const settings: Record<string, string> = {};
      if (this.epochs.value) settings["epochs"] = this.epochs.value;
      await this.server.train(net, settings);
    } catch (error) {
      this.state.textContent = (error as Error).message;
      this.start.disabled = false;
    }
  }

  private clear(state: string, isRunning: boolean): void {
    this.state.textContent = state;
    this.start.disabled = isRunning;
    this.stop.disabled = !isRunning;
    this.columns = [];
    this.head.replaceChildren();
    this.rows.replaceChildren();
    this.log.replaceChildren();
  }

  private row(record: Record<string, number>): void {
    if (!this.columns.length) {
      this.columns = Object.keys(record).filter((key) => typeof record[key] === "number");
      const heads = this.columns.map((key) => element("th", { scope: "col", class: "n" }, key.replaceAll("_", " ")));
      this.head.append(element("tr", {}, ...heads));
    }
    const cells = this.columns.map((key) => element("td", { class: "n" }, text(record[key])));
    const row = element("tr", {}, ...cells);
    this.rows.append(row);
    row.scrollIntoView({ block: "nearest" });
  }

  private line(words: string): void {
    this.log.append(element("div", {}, words));
    while (this.log.childElementCount > LINES) this.log.firstElementChild?.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }

  private ended(code: number): void {
    this.state.textContent = code === 0 ? "finished" : `ended with exit code ${code}`;
    this.start.disabled = false;
    this.stop.disabled = true;
  }
}

function text(value: number | undefined): string {
  if (value === undefined) return "";
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
