// The view in which a net trains: what visitors can change, and what they see.

import type { Compiler } from "../compiler";
import { download, element, find } from "../dom";
import type { Trainable } from "../protocol";
import { safetensors } from "../weights";
import { Board } from "./board";
import { Drawings } from "./drawings";
import type { Order, Report, Stepped } from "./orders";
import { picturesIn, sample, type Given, type Pictures } from "./pictures";
import { Plane } from "./plane";
import { hasGpu, Trainer, type Device } from "./trainer";

const LOOK = 700; // milliseconds between two looks at a picture while the net trains
const ALLOWED = 1e-2; // difference of an output on the graphics processor, as a share of its largest number
const FASHION = /^fashion_mnist/;

type Source = "sample" | "drawings" | "files" | "points";
const SOURCES: Record<Source, string> = {
  sample: "Fashion-MNIST sample",
  drawings: "my drawings",
  files: "my pictures ...",
  points: "points of a plane",
};

export class Laboratory {
  private run = find<HTMLButtonElement>("#lab-run");
  private state = find<HTMLOutputElement>("#lab-state");
  private data = find<HTMLSelectElement>("#lab-data");
  private rate = find<HTMLInputElement>("#lab-rate");
  private batch = find<HTMLInputElement>("#lab-batch");
  private save = find<HTMLButtonElement>("#lab-save");
  private files = find<HTMLInputElement>("#lab-files");

  private trainer = new Trainer((report) => this.take(report));
  private drawings = new Drawings();
  private plane = new Plane((points) => this.changedPoints(points));
  private board: Board;
  private net: Trainable | null = null;
  private key = ""; // of the net that the worker has
  private source: Source | null = null; // of the data that the worker has
  private own: Pictures | null = null; // pictures of the visitor's files
  private wantedBatch: number | null = null; // null: that of the text
  private name = ""; // of the net that is shown
  private steps = 1; // of an epoch
  private seed = 0;
  private waiting: { resolve: () => void; reject: (error: Error) => void } | null = null;
  private wanted = false; // whether the visitor wants it to run
  private acts = Promise.resolve(); // the last of what takes time
  private looked = 0;
  private last: Stepped | null = null;

  constructor(private compiler: Compiler) {
    this.board = new Board(this.drawings, (order) => this.trainer.send(order), (text) => this.say(text));
    this.run.addEventListener("click", () => {
      if (this.wanted) this.pause();
      else this.begin();
    });
    find("#lab-step").addEventListener("click", () => void this.guarded(() => this.single()));
    find("#lab-reset").addEventListener("click", () => void this.guarded(() => this.restart()));
    this.rate.addEventListener("change", () => this.sendRate());
    this.batch.addEventListener("change", () => void this.guarded(() => this.changedBatch()));
    this.data.addEventListener("change", () => this.changedData());
    this.save.addEventListener("click", () => this.trainer.send({ kind: "weights" }));
    this.files.addEventListener("change", () => {
      const list = [...(this.files.files ?? [])];
      void this.guarded(() => this.takeFiles(list.map((file) => ({ path: file.webkitRelativePath || file.name, file }))));
      this.files.value = "";
    });
    const device = find<HTMLSelectElement>("#lab-device");
    device.addEventListener("change", () => void this.guarded(() => this.use(device.value as Device)));
    void hasGpu().then((has) => (find<HTMLElement>("#lab-on").hidden = !has));
    this.connectDrop();
    this.suit("", []);
  }

  // ---- what the visitor does

  private begin(): void {
    this.wanted = true;
    this.run.textContent = "Pause";
    void this.guarded(() => this.go());
  }

  private async go(): Promise<void> {
    await this.prepare();
    if (!this.wanted) {
      this.say("paused"); // meanwhile
      return;
    }
    const isPlane = this.source === "points";
    this.trainer.send({ kind: "run", epochs: isPlane ? Infinity : this.net!.recipe.epochs });
  }

  private pause(): void {
    this.stopped();
    this.trainer.send({ kind: "pause" });
  }

  private async single(): Promise<void> {
    if (this.wanted) this.pause();
    await this.prepare();
    this.trainer.send({ kind: "step" });
    this.look();
  }

  private async restart(): Promise<void> {
    if (this.wanted) this.pause();
    this.seed += 1;
    this.key = "";
    this.board.clear();
    await this.prepare();
    this.last = null;
    this.say("The weights are fresh.");
    this.look();
  }

  // Gives the worker the net and the data that are chosen, unless it has them.
  private async prepare(): Promise<void> {
    this.say("Preparing the net ...");
    const net = await this.compiler.ask("training", this.wantedBatch, this.trainer.device);
    const { step: _, names, recipe: __, ...rest } = net;
    const key = JSON.stringify([rest.test, rest.starts, names.hyper]);
    const isOther = key !== this.key;
    const unused = net.recipe.unused.map((entry) => `“${entry}”`).join(", ");
    this.board.note(unused && `The page does not use ${unused} of the train section.`);
    if (isOther || net.step !== this.net?.step) {
      if (isOther) this.showNet(net);
      this.source = null;
      this.say("Loading the net ...");
      await this.answered({ kind: "net", net, seed: this.seed, keep: !isOther });
    }
    this.net = net;
    this.key = key;
    this.sendRate();
    await this.sendData();
    this.send({ kind: "schedule", factors: await this.compiler.ask("rates", this.steps) });
    this.say("Starting ...");
    this.save.disabled = false;
  }

  private showNet(net: Trainable): void {
    this.board.clear();
    this.board.showNet(net);
    this.last = null;
    this.batch.value = String(net.names.batch);
    const [first, rate] = Object.entries(net.names.hyper).find(([name]) => name.startsWith("rate")) ?? ["rate", 0.01];
    this.rate.name = first;
    this.rate.value = String(rate);
  }

  // Shows the data that suit the input of the net that is shown. Another net ends the training.
  suit(name: string, input: readonly string[]): void {
    if (name !== this.name) {
      if (this.wanted) this.pause();
      this.wantedBatch = null;
    }
    this.name = name;
    const isPlane = input.length === 1;
    const fitting: Source[] = isPlane ? ["points"] : ["sample", "drawings", "files"];
    const chosen = this.data.value;
    this.data.replaceChildren(...fitting.map((value) => element("option", { value }, SOURCES[value])));
    if (chosen in SOURCES && fitting.includes(chosen as Source)) this.data.value = chosen;
    this.board.showKind(isPlane ? "points" : "pictures");
  }

  private async sendData(): Promise<void> {
    const wanted = this.data.value as Source;
    const net = this.net!;
    if (wanted === "points") {
      if (this.source !== "points") await this.answered({ kind: "points", points: this.plane.points });
    } else if (wanted === "drawings" || this.source !== wanted) {
      const pictures = await this.pictures(wanted);
      const { mean, std, name } = net.data;
      const isOfText = wanted === "sample" && FASHION.test(name) && mean && std;
      this.source = null;
      await this.answered({ kind: "pictures", pictures, constants: isOfText ? { mean, std } : null });
      this.board.showPictures(pictures);
    }
    this.source = wanted;
  }

  private async pictures(source: Source): Promise<Pictures> {
    if (source === "files") {
      if (this.own === null) throw new Error("Choose or drop pictures first: a folder for each class.");
      return this.own;
    }
    if (source === "drawings") {
      if (!this.drawings.count) throw new Error("Draw pictures first, and add them to your drawings.");
      return this.drawings.data();
    }
    this.say("Loading the sample ...");
    return sample();
  }

  private changedData(): void {
    if (this.data.value === "files") this.files.click();
    else if (this.wanted) this.begin();
  }

  private async takeFiles(given: Given[]): Promise<void> {
    if (!given.length) return;
    this.say(`Reading ${given.length} files ...`);
    this.own = await picturesIn(given);
    this.source = null;
    this.data.value = "files";
    const { title, classes, train, test } = this.own;
    const counts = `${train.labels.length} for training and ${test.labels.length} for tests`;
    this.say(`${title} in ${classes.length} classes: ${counts}`);
    if (this.wanted) await this.go();
  }

  // Folders are read, too: a class is a folder.
  private connectDrop(): void {
    const board = find<HTMLElement>("#train");
    board.addEventListener("dragover", (event) => event.preventDefault());
    board.addEventListener("drop", (event) => {
      event.preventDefault();
      const items = [...(event.dataTransfer?.items ?? [])];
      const reading = items.map((item) => filesOf(item.webkitGetAsEntry(), item.getAsFile()));
      void this.guarded(async () => this.takeFiles((await Promise.all(reading)).flat()));
    });
  }

  private async changedBatch(): Promise<void> {
    const size = Number(this.batch.value);
    if (!Number.isInteger(size) || size < 1) throw new Error("The batch is a whole number from 1 on.");
    if (size === this.wantedBatch) return;
    this.wantedBatch = size;
    if (this.wanted) await this.go();
  }

  private changedPoints(points: Plane["points"]): void {
    if (this.source !== "points") return;
    this.send({ kind: "points", points });
    this.send({ kind: "surface" });
  }

  // Computes on the other processor, with fresh weights. Before a net trains on the graphics
  // processor, a step there is compared with one on the processor.
  private async use(device: Device): Promise<void> {
    this.stopped();
    this.trainer.restart(device);
    [this.key, this.net, this.source, this.last] = ["", null, null, null];
    await this.prepare();
    if (device === "wasm") this.say("The weights are fresh.");
    else {
      this.say("Comparing a step on both processors ...");
      this.send({ kind: "compare" });
    }
  }

  private compared(difference: number, [own, other]: [number, number]): void {
    const share = `the largest difference of a step is ${difference.toExponential(1)} of the output's largest number`;
    if (difference <= ALLOWED) {
      this.say(`${share}; it takes ${own.toFixed(0)} ms, on the processor ${other.toFixed(0)} ms`);
      return;
    }
    find<HTMLSelectElement>("#lab-device").value = "wasm";
    this.waiting?.reject(new Error("the processor has changed"));
    this.trainer.restart("wasm");
    [this.key, this.net, this.source] = ["", null, null];
    this.say(`The graphics processor is not used: ${share}.`, true);
  }

  private sendRate(): void {
    const value = Number(this.rate.value);
    if (this.rate.value && value >= 0) this.send({ kind: "hyper", values: { [this.rate.name]: value } });
  }

  // Sends an order, and waits until the worker is ready again.
  private answered(order: Order): Promise<void> {
    this.trainer.send(order);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private send(order: Order): void {
    if (order.kind !== "net" && this.net === null) return;
    this.trainer.send(order);
  }

  // ---- what the worker reports

  private take(report: Report): void {
    switch (report.kind) {
      case "stepped":
        this.last = report;
        this.board.stepped(report);
        this.tell(
          (this.source === "points" ? "" : `epoch ${Math.floor((report.step - 1) / report.steps) + 1}, `) +
            `step ${report.step}, ${Math.round(report.speed)} samples in a second` +
            (report.rate === null ? "" : `, rate ${report.rate.toPrecision(3)}`),
        );
        if (performance.now() - this.looked > LOOK) this.look();
        break;
      case "paused":
        if (report.isDone) this.stopped();
        if (this.source === "points") this.tell(`paused after step ${this.last?.step ?? 0}`);
        else this.tell(`paused; ${report.epochs} ${report.epochs === 1 ? "epoch is" : "epochs are"} complete`);
        this.look();
        break;
      case "ready":
        this.steps = report.steps;
        this.waiting?.resolve();
        break;
      case "failed":
        this.stopped();
        this.waiting?.reject(new Error(report.message));
        this.say(report.message, true);
        break;
      case "weights": {
        const net = this.name || "net";
        const metadata: Record<string, string> = { format: "pt", net: JSON.stringify(net) };
        metadata["classes"] = JSON.stringify(report.classes);
        if (report.constants) {
          metadata["mean"] = JSON.stringify(report.constants.mean);
          metadata["std"] = JSON.stringify(report.constants.std);
        }
        download(`${net}.safetensors`, safetensors(report.weights, metadata), "application/octet-stream");
        break;
      }
      case "compared":
        this.compared(report.difference, report.times);
        break;
      case "surface":
        this.plane.show(report);
        break;
      default:
        this.board.take(report);
    }
  }

  private look(): void {
    this.looked = performance.now();
    if (this.source === "points") this.send({ kind: "surface" });
    this.board.look();
  }

  private stopped(): void {
    this.wanted = false;
    this.run.textContent = this.last ? "Go on" : "Train";
  }

  // Tells of the training; an error that has stopped it stays.
  private tell(text: string): void {
    if (this.wanted || this.state.className !== "error") this.say(text);
  }

  private say(text: string, isError = false): void {
    this.state.textContent = text;
    this.state.className = isError ? "error" : "";
  }

  // What takes time is done one after the other. An error is shown, and stops the training.
  private guarded(act: () => Promise<void> | void): Promise<void> {
    this.acts = this.acts.then(act).catch((error: Error) => {
      if (this.wanted) this.pause();
      this.say(error.message, true);
    });
    return this.acts;
  }
}

async function filesOf(entry: FileSystemEntry | null, whole: File | null = null): Promise<Given[]> {
  if (entry === null) return whole ? [{ path: whole.name, file: whole }] : [];
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.slice(1), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Given[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map((one) => filesOf(one)))).flat());
  }
}
