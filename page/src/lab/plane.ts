// The plane of points: patterns, points that the visitor adds, and the decision of the net.

import { element, find } from "../dom";
import { drawPlane } from "./canvases";
import { pattern, PATTERN_NAMES, withPoint, type Points } from "./points";

const COUNT = 200; // points of a pattern

export class Plane {
  points: Points;
  private canvas = find<HTMLCanvasElement>("#plane");
  private surface: { side: number; shares: Float32Array; classes: number } | null = null;
  private seed = 0;

  constructor(private onChange: (points: Points) => void) {
    const choice = find<HTMLSelectElement>("#plane-pattern");
    const label = find<HTMLSelectElement>("#plane-class");
    choice.append(...PATTERN_NAMES.map((name) => element("option", {}, name)));
    this.points = pattern(choice.value, COUNT, this.seed);
    choice.addEventListener("change", () => {
      this.seed += 1;
      this.change(pattern(choice.value, COUNT, this.seed));
    });
    find("#plane-clear").addEventListener("click", () => {
      this.change({ places: new Float32Array(), labels: new Uint8Array() });
    });
    this.canvas.addEventListener("click", (event) => {
      const x = (2 * event.offsetX) / this.canvas.clientWidth - 1;
      const y = 1 - (2 * event.offsetY) / this.canvas.clientHeight;
      this.change(withPoint(this.points, x, y, Number(label.value)));
    });
    drawPlane(this.canvas, this.points, null);
  }

  show(surface: { side: number; shares: Float32Array; classes: number }): void {
    this.surface = surface;
    drawPlane(this.canvas, this.points, surface);
  }

  private change(points: Points): void {
    this.points = points;
    drawPlane(this.canvas, points, this.surface);
    this.onChange(points);
  }
}
