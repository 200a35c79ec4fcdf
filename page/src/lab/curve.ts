// The chart of loss and accuracy against the steps.

import uPlot from "uplot";
import type { Stepped, Tested } from "./orders";

const MOST = 600; // points, beyond which neighbours are joined
const HEIGHT = 190;

export class Curve {
  private steps: number[] = [];
  private losses: number[] = [];
  private accuracies: number[] = [];
  private tests: (number | null)[] = [];
  private chart: uPlot | null = null;

  constructor(private host: HTMLElement) {
    new ResizeObserver(() => this.resize()).observe(host);
  }

  add({ step, loss, accuracy }: Stepped): void {
    this.steps.push(step);
    this.losses.push(loss);
    this.accuracies.push(100 * accuracy);
    this.tests.push(null);
    if (this.steps.length > MOST) this.join();
    this.show();
  }

  addTest({ accuracy }: Tested): void {
    if (!this.tests.length) return;
    this.tests[this.tests.length - 1] = 100 * accuracy;
    this.show();
  }

  clear(): void {
    for (const list of [this.steps, this.losses, this.accuracies, this.tests]) list.length = 0;
    this.show();
  }

  // Joins neighbours in pairs, so that the chart stays quick.
  private join(): void {
    const pairs = <Value>(list: Value[], joined: (a: Value, b: Value) => Value) => {
      for (let i = 0; 2 * i + 1 < list.length; i += 1) list[i] = joined(list[2 * i]!, list[2 * i + 1]!);
      list.length = Math.floor(list.length / 2);
    };
    const mean = (a: number, b: number) => (a + b) / 2;
    pairs(this.steps, (_, b) => b);
    pairs(this.losses, mean);
    pairs(this.accuracies, mean);
    pairs(this.tests, (a, b) => b ?? a);
  }

  private show(): void {
    const data = [this.steps, this.losses, this.accuracies, this.tests] as uPlot.AlignedData;
    if (this.chart) this.chart.setData(data);
    else if (this.steps.length) this.chart = new uPlot(this.options(), data, this.host);
  }

  private options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const axis = { stroke: "#808890", grid: { stroke: "#80889030" }, ticks: { stroke: "#80889030" } };
    const colour = (name: string) => style.getPropertyValue(name).trim() || "#406080";
    return {
      width: this.host.clientWidth || 420,
      height: HEIGHT,
      scales: { x: { time: false }, percent: { range: [0, 100] } },
      axes: [
        { ...axis, label: "step", labelSize: 16 },
        { ...axis, label: "loss", labelSize: 16 },
        { ...axis, scale: "percent", side: 1, grid: { show: false }, label: "accuracy in %", labelSize: 16 },
      ],
      series: [
        { label: "step" },
        { label: "loss", stroke: colour("--curve-loss"), width: 1.5, value: (_, v) => v?.toFixed(3) ?? "" },
        { label: "training", scale: "percent", stroke: colour("--curve-train"), width: 1.2, value: percent },
        {
          ...{ label: "test", scale: "percent", stroke: colour("--curve-test"), width: 2, spanGaps: true },
          ...{ points: { show: true, size: 6 }, value: percent },
        },
      ],
    };
  }

  private resize(): void {
    if (this.chart && this.host.clientWidth) this.chart.setSize({ width: this.host.clientWidth, height: HEIGHT });
  }
}

function percent(_: unknown, value: number | null): string {
  return value === null || value === undefined ? "" : `${value.toFixed(1)} %`;
}
