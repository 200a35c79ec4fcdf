// What is seen of a net in training: its curve, test pictures, feature maps, filters and gradients.

import { element, find } from "../dom";
import type { Trainable } from "../protocol";
import { drawFilters, drawMaps, drawPicture, text } from "./canvases";
import { Curve } from "./curve";
import { Drawings } from "./drawings";
import type { Looked, Order, Report, Stepped, Tested } from "./orders";
import { Pad } from "./pad";
import type { Pictures } from "./pictures";

const WEIGHTS = 40; // whose gradients are shown
const DECADES = 6; // of the scale of gradients

export class Board {
  private curve = new Curve(find("#curve"));
  private pad: Pad;
  private pictures: Pictures | null = null;
  private picked = 0; // the test picture that is looked at
  private lookedAt: Looked | null = null;
  private layers = find<HTMLSelectElement>("#maps-layer");
  private weights = find<HTMLSelectElement>("#filters-weight");
  private labels = find<HTMLSelectElement>("#pad-class");
  private kinds: Record<string, string> = {};
  private isReady = false;

  constructor(
    private drawings: Drawings,
    private send: (order: Order) => void,
    private say: (text: string) => void,
  ) {
    this.pad = new Pad(find("#pad"), () => this.look());
    this.labels.append(...[..."0123456789"].map((digit) => element("option", {}, digit)));
    find("#pad-clear").addEventListener("click", () => this.pad.clear());
    find("#pad-add").addEventListener("click", () => this.addDrawing());
    this.layers.addEventListener("change", () => this.showMaps());
    this.weights.addEventListener("change", () => this.look());
  }

  // ---- a new net, new data

  showNet(net: Trainable): void {
    this.isReady = true;
    this.kinds = net.kinds;
    find("#lab-board").classList.remove("idle");
    const filters = net.starts.filter(({ shape }) => shape.length === 4 && shape[2] !== 1);
    this.weights.replaceChildren(...filters.map(({ name }) => element("option", {}, name)));
    this.layers.replaceChildren();
    find<HTMLElement>("#card-filters").hidden = filters.length === 0;
  }

  note(text: string): void {
    find("#curve-note").textContent = text;
  }

  showKind(kind: "pictures" | "points"): void {
    const isPlane = kind === "points";
    find<HTMLElement>("#card-plane").hidden = !isPlane;
    for (const name of ["test", "picture", "maps"]) find<HTMLElement>(`#card-${name}`).hidden = isPlane;
    if (isPlane) find<HTMLElement>("#card-filters").hidden = true;
  }

  showPictures(pictures: Pictures): void {
    this.pictures = pictures;
    this.picked = 0;
    find("#test-pictures").replaceChildren();
    if (!this.pad.isDrawn) this.showPicked();
  }

  clear(): void {
    this.curve.clear();
    find("#norms").replaceChildren();
    find("#test-pictures").replaceChildren();
    find("#test-text").textContent = "After each epoch, the net is tested.";
    find("#curve-text").textContent = "";
  }

  // ---- what the visitor does

  // Asks for the maps of the picture and the filters that are shown.
  look(): void {
    if (!this.isReady) return;
    if (this.weights.value) this.send({ kind: "filters", name: this.weights.value });
    if (this.pictures === null || find<HTMLElement>("#card-picture").hidden) return;
    const { channels, height, width } = this.pictures;
    const picture = this.pad.isDrawn ? this.pad.pixels(channels, height, width) : this.picked;
    this.send({ kind: "look", picture });
  }

  private pick(index: number): void {
    this.picked = index;
    this.pad.isDrawn = false;
    this.showPicked();
    this.look();
  }

  private showPicked(): void {
    const { pictures } = this;
    const samples = pictures?.test.labels.length ? pictures.test : pictures?.train;
    if (pictures && samples) drawPicture(this.pad.canvas, pictures, samples, this.picked);
  }

  private addDrawing(): void {
    if (!this.pad.isDrawn) {
      this.say("Clear the picture and draw one first.");
      return;
    }
    this.drawings.add(this.pad.pixels(1, Drawings.side, Drawings.side), Number(this.labels.value));
    const { count } = this.drawings;
    find("#pad-count").textContent = count === 1 ? "1 drawing" : `${count} drawings`;
    this.pad.clear();
  }

  // ---- what the worker reports

  stepped(report: Stepped): void {
    this.curve.add(report);
    const percent = (100 * report.accuracy).toFixed(1);
    find("#curve-text").textContent = `loss ${report.loss.toFixed(4)}, training accuracy ${percent} %`;
    find("#norms").replaceChildren(...report.norms.slice(0, WEIGHTS).map(({ name, norm }) => bar(name, norm)));
  }

  take(report: Report): void {
    if (report.kind === "tested") this.showTest(report);
    else if (report.kind === "looked") this.showLooked(report);
    else if (report.kind === "filters") {
      const sentence = drawFilters(find("#filters"), report.tensor);
      find("#filters-text").textContent = sentence;
    }
  }

  private showTest(report: Tested): void {
    this.curve.addTest(report);
    const { pictures } = this;
    const percent = (100 * report.accuracy).toFixed(2);
    const count = pictures?.test.labels.length;
    const of = count ? `${count} test pictures` : "the training samples: there are none for tests";
    find("#test-text").textContent = `After epoch ${report.epoch}: ${percent} % of ${of} are right.`;
    if (pictures === null) return;
    const samples = count ? pictures.test : pictures.train;
    const shown = report.shown.map(({ index, label, guess, share }) => {
      const canvas = element("canvas", { width: "56", height: "56" });
      drawPicture(canvas, pictures, samples, index);
      const isRight = guess === label;
      const name = pictures.classes[guess] ?? String(guess);
      const truth = isRight ? "" : `, not ${pictures.classes[label] ?? label}`;
      const button = element(
        "button",
        { type: "button", class: isRight ? "right" : "wrong", title: `${name}${truth}: ${(100 * share).toFixed(0)} %` },
        canvas,
        element("span", {}, `${isRight ? "" : "✗ "}${name}`),
      );
      button.addEventListener("click", () => this.pick(index));
      return button;
    });
    find("#test-pictures").replaceChildren(...shown);
  }

  private showLooked(report: Looked): void {
    this.lookedAt = report;
    const names = report.maps.map(({ name }) => name);
    if (names.join() !== [...this.layers.options].map(({ value }) => value).join()) {
      const label = (name: string) => [name, this.kinds[name] ?? ""].join(" ").trim();
      this.layers.replaceChildren(...names.map((name) => element("option", { value: name }, label(name))));
    }
    find<HTMLElement>("#card-maps").hidden = names.length === 0;
    this.showMaps();
    const order = report.shares.map((share, label) => ({ share, label })).sort((a, b) => b.share - a.share);
    const rows = order.slice(0, 5).map(({ share, label }) => {
      const name = this.pictures?.classes[label] ?? `class ${label}`;
      const meter = element("meter", { min: "0", max: "1", value: String(share) });
      return element("label", {}, `${name} ${(100 * share).toFixed(1)} % `, meter);
    });
    const truth = report.label === null ? "" : (this.pictures?.classes[report.label] ?? "");
    find("#shares").replaceChildren(...rows, element("p", {}, truth && `It is: ${truth}`));
  }

  private showMaps(): void {
    const maps = this.lookedAt?.maps[this.layers.selectedIndex];
    if (maps) find("#maps-text").textContent = drawMaps(find("#maps"), maps);
  }
}

// A bar on a logarithmic scale: its full length is 1, and each sixth of it a power of ten.
function bar(name: string, norm: number): HTMLElement {
  const share = norm > 0 ? Math.min(Math.max(1 + Math.log10(norm) / DECADES, 0), 1) : 0;
  const meter = element("meter", { min: "0", max: "1", value: String(share) });
  return element("label", {}, element("span", {}, name), meter, element("span", { class: "n" }, text(norm)));
}
