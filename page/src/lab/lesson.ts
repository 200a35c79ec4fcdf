// A net in training: its weights, its data, and the models that change and test them.

import * as ort from "onnxruntime-web/wasm";
import type { Trainable } from "../protocol";
import { freshWeights, randomStream } from "../weights";
import { copied, DEVICE, furthest, inputsOf, numbersOf, onProcessor, session, twice, type Values } from "./engine";
import { constantsOf, Fitting, type Constants } from "./fitting";
import type { Guess, LayerMaps, Looked, Tensor, Tested } from "./orders";
import type { Pictures } from "./pictures";
import type { Points } from "./points";

// Samples as the net takes them.
interface Samples {
  count: number;
  label(i: number): number;
  write(i: number, target: Float32Array, place: number): void;
}

export interface StepResult {
  loss: number;
  accuracy: number;
  norms: number[];
}

const SHOWN = 24; // test samples with their guesses
const SIDE = 50; // of the grid of a decision surface
const MOST_VALUES = 2_000_000; // of the maps of one picture

export class Lesson {
  private train: Samples | null = null;
  private test: Samples | null = null;
  private fitting: Fitting | null = null;
  private classes: string[] = [];
  constants: Constants | null = null;

  private state: Values = {};
  private hyper: Values = {};
  private order: Uint32Array = new Uint32Array();
  private random = randomStream(0);
  private stepModel: ort.InferenceSession | null = null;
  private others = new Map<string, Promise<ort.InferenceSession>>();
  private factors: number[] = []; // of the rate in each step; repeated after the last
  step = 0;

  private constructor(readonly net: Trainable) {}

  static async of(net: Trainable, seed: number, kept: Lesson | null): Promise<Lesson> {
    const made = new Lesson(net);
    made.stepModel = await session(net.step, DEVICE, Object.values(net.names.state));
    made.reset(seed);
    if (kept) {
      for (const [name, tensor] of Object.entries(kept.state)) {
        if (name in made.state) made.state[name] = await copied(tensor);
      }
      made.hyper = kept.hyper;
      made.step = kept.step;
    }
    made.setHyper(net.names.hyper, kept === null);
    return made;
  }

  // ---- weights and settings

  reset(seed: number): void {
    this.random = randomStream(seed + 1);
    this.step = 0;
    this.state = {};
    this.order = new Uint32Array();
    const { state, fixed } = this.net.names;
    const wanted = new Set([...Object.keys(state), ...fixed]);
    const weights = freshWeights(this.net.starts, seed);
    for (const { name, shape } of inputsOf(this.stepModel!)) {
      if (!wanted.has(name)) continue;
      const numbers = weights.get(name)?.numbers ?? new Float32Array(product(shape));
      this.state[name] = new ort.Tensor("float32", numbers, shape);
    }
  }

  setHyper(values: Record<string, number>, isNew = true): void {
    for (const [name, value] of Object.entries(values)) {
      if (!(name in this.net.names.hyper) || (!isNew && name in this.hyper)) continue;
      this.hyper[name] = new ort.Tensor("float32", new Float32Array([value]), []);
    }
  }

  setSchedule(factors: number[]): void {
    this.factors = factors;
  }

  // The rate in a step, and the name of its input; null if it is constant.
  private rateIn(step: number): { name: string; rate: number } | null {
    const name = Object.keys(this.hyper).find((key) => key.startsWith("rate"));
    const factor = this.factors[step % this.factors.length];
    if (name === undefined || factor === undefined) return null;
    return { name, rate: Number(this.hyper[name]!.data[0]) * factor };
  }

  // The rate of the last step, if it follows a schedule.
  get rate(): number | null {
    return this.rateIn(this.step - 1)?.rate ?? null;
  }

  async weights(): Promise<Map<string, Tensor>> {
    const made = new Map<string, Tensor>();
    for (const { name } of this.net.starts) {
      const tensor = await this.tensor(name);
      if (tensor) made.set(name, tensor);
    }
    return made;
  }

  async tensor(name: string): Promise<Tensor | null> {
    const found = this.state[name];
    if (!found) return null;
    const numbers = (await numbersOf(found)).slice() as Float32Array<ArrayBuffer>;
    return { shape: [...found.dims], numbers };
  }

  get classNames(): string[] {
    return this.classes;
  }

  // ---- data

  takePictures(pictures: Pictures, constants: Constants | null): void {
    const [channels, height, width] = this.net.input;
    if (channels === undefined || height === undefined || width === undefined) {
      throw new Error(`the input of the net is ${this.net.input.join("x")}: it takes no pictures`);
    }
    this.checkClasses(pictures.classes.length);
    if (!pictures.train.labels.length) throw new Error("there are no pictures to train with");
    const area = pictures.height * pictures.width;
    const found = constants ?? constantsOf(pictures.train.pixels, pictures.channels, area);
    const size = { channels: pictures.channels, height: pictures.height, width: pictures.width };
    const fitting = new Fitting(size, { channels, height, width }, found);
    const samples = ({ pixels, labels }: Pictures["train"]): Samples => ({
      count: labels.length,
      label: (i) => labels[i] ?? 0,
      write: (i, target, place) => {
        const bytes = pictures.channels * area;
        fitting.write(pixels.subarray(i * bytes, (i + 1) * bytes), target, place);
      },
    });
    this.train = samples(pictures.train);
    this.test = pictures.test.labels.length ? samples(pictures.test) : this.train;
    this.classes = pictures.classes;
    this.constants = found;
    this.fitting = fitting;
    this.order = new Uint32Array();
  }

  takePoints(points: Points): void {
    if (this.net.input.join() !== "2") throw new Error(`the input of the net is ${this.net.input.join("x")}, not 2 numbers`);
    const most = Math.max(0, ...points.labels) + 1;
    this.checkClasses(most);
    this.classes = Array.from({ length: Math.max(most, 2) }, (_, i) => `class ${i + 1}`);
    this.train = {
      count: points.labels.length,
      label: (i) => points.labels[i] ?? 0,
      write: (i, target, place) => target.set(points.places.subarray(2 * i, 2 * i + 2), place),
    };
    this.test = this.train;
    this.fitting = null;
    this.constants = null;
    this.order = new Uint32Array();
  }

  private checkClasses(count: number): void {
    const scores = this.net.output[0] ?? 0;
    if (count > Math.max(scores, scores === 1 ? 2 : 0)) {
      throw new Error(`the data have ${count} classes, but the net gives ${scores} ${scores === 1 ? "score" : "scores"}`);
    }
  }

  // ---- training

  // Points are few, and are tested by the surface.
  get hasTests(): boolean {
    return this.train !== this.test || this.fitting !== null;
  }

  get epoch(): number {
    return Math.floor(this.step / this.stepsOfEpoch);
  }

  get stepsOfEpoch(): number {
    return Math.max(1, Math.floor((this.train?.count ?? 0) / this.net.names.batch));
  }

  async advance(): Promise<StepResult> {
    const { net } = this;
    const { feeds, labels } = this.batch();
    const made = await this.stepModel!.run(feeds);
    const loss = (await numbersOf(made[net.names.loss]))[0] ?? NaN;
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss} in step ${this.step + 1}: try a smaller rate`);
    for (const [name, next] of Object.entries(net.names.state)) {
      this.state[name]?.dispose();
      this.state[name] = made[next]!;
    }
    this.step += 1;
    const scores = await numbersOf(made[Object.values(net.names.outputs)[0]!]);
    const guesses = this.guesses(scores, labels.length);
    const right = guesses.filter(({ guess }, i) => guess === Number(labels[i])).length;
    return { loss, accuracy: right / labels.length, norms: [...(await numbersOf(made[net.names.norms]))] };
  }

  // The inputs of the next step.
  private batch(): { feeds: Values; labels: BigInt64Array } {
    const { train, net } = this;
    if (!train?.count) throw new Error("there are no samples to train with");
    const { batch } = net.names;
    const place = (this.step % this.stepsOfEpoch) * batch;
    if (place === 0 || !this.order.length) this.order = shuffled(train.count, this.random);
    const size = product(net.input);
    const inputs = new Float32Array(batch * size);
    const labels = new BigInt64Array(batch);
    for (let i = 0; i < batch; i += 1) {
      const sample = this.order[(place + i) % train.count] ?? 0;
      train.write(sample, inputs, i * size);
      labels[i] = BigInt(train.label(sample));
    }
    const now = this.rateIn(this.step);
    const feeds = {
      ...this.state,
      ...this.hyper,
      ...(now && { [now.name]: new ort.Tensor("float32", new Float32Array([now.rate]), []) }),
      [Object.values(net.names.inputs)[0]!]: new ort.Tensor("float32", inputs, [batch, ...net.input]),
      [net.names.labels[0]!]: new ort.Tensor("int64", labels, [batch]),
    };
    return { feeds, labels };
  }

  // Takes the same step on both processors, which does not change the weights. Returns the largest
  // difference of an output, as a share of its largest number, and the times in milliseconds. Steps
  // with random numbers differ anyway, so of these nets the scores at inference are compared.
  async compare(): Promise<{ difference: number; times: [number, number] }> {
    const { feeds } = this.batch();
    const own = await twice(this.stepModel!, feeds);
    const known = await onProcessor(this.net.step, feeds);
    let difference = await furthest(own.last, known.last);
    if ((await furthest(known.first, known.last)) > 0) {
      const model = await this.model("test");
      const batch = inputsOf(model)[0]!.shape[0]!;
      const inputs = new Float32Array(batch * product(this.net.input));
      for (let i = 0; i < batch; i += 1) this.test!.write(i % this.test!.count, inputs, i * product(this.net.input));
      const given = this.feeds(model, inputs, batch);
      difference = await furthest(await model.run(given), (await onProcessor(this.net.test, given)).last);
    }
    return { difference, times: [own.time, known.time] };
  }

  // ---- tests

  async testAll(): Promise<Tested> {
    const { test } = this;
    if (!test) throw new Error("there are no samples to test with");
    const shown: Guess[] = [];
    const each = Math.max(1, Math.floor(test.count / SHOWN));
    let right = 0;
    const size = product(this.net.input);
    const model = await this.model("test");
    const batch = inputsOf(model)[0]!.shape[0]!;
    for (let start = 0; start < test.count; start += batch) {
      const count = Math.min(batch, test.count - start);
      const inputs = new Float32Array(batch * size);
      for (let i = 0; i < count; i += 1) test.write(start + i, inputs, i * size);
      const scores = await this.scores(model, inputs, batch);
      for (const [i, { guess, share }] of this.guesses(scores, count).entries()) {
        const [index, label] = [start + i, test.label(start + i)];
        right += Number(guess === label);
        if (index % each === 0 && shown.length < SHOWN) shown.push({ index, label, guess, share });
      }
    }
    return { kind: "tested", epoch: this.epoch, accuracy: right / Math.max(test.count, 1), shown };
  }

  // The feature maps and the scores of one test picture, or of one with values from 0 to 255.
  async look(picture: number | Float32Array): Promise<Looked> {
    const inputs = new Float32Array(product(this.net.input));
    const index = typeof picture === "number" ? picture : null;
    if (typeof picture === "number") this.test?.write(picture, inputs, 0);
    else this.fitting?.write(picture, inputs, 0);
    const model = await this.model("look");
    const made = await model.run(this.feeds(model, inputs, 1));
    const maps: LayerMaps[] = [];
    let total = 0;
    for (const value of model.outputNames) {
      const tensor = made[value]!;
      const [, ...shape] = tensor.dims;
      total += tensor.size;
      if (shape.length !== 3 || total > MOST_VALUES) continue;
      maps.push({ name: value.split("/")[0] ?? value, shape, numbers: (await numbersOf(tensor)).slice() });
    }
    const output = model.outputNames[0]!;
    const shares = this.shares(await numbersOf(made[output]), 0);
    const label = index === null ? null : (this.test?.label(index) ?? null);
    return { kind: "looked", index, label, shares, maps };
  }

  // The probability of each class at the places of a grid over the plane from -1 to 1.
  async surface(): Promise<{ side: number; shares: Float32Array; classes: number }> {
    const model = await this.model("test");
    const batch = inputsOf(model)[0]!.shape[0]!;
    const classes = Math.max(this.net.output[0] ?? 0, 2);
    const shares = new Float32Array(SIDE * SIDE * classes);
    for (let start = 0; start < SIDE * SIDE; start += batch) {
      const inputs = new Float32Array(batch * 2);
      for (let i = 0; i < batch; i += 1) {
        const at = start + i;
        inputs[2 * i] = (2 * ((at % SIDE) + 0.5)) / SIDE - 1;
        inputs[2 * i + 1] = 1 - (2 * (Math.floor(at / SIDE) + 0.5)) / SIDE;
      }
      const scores = await this.scores(model, inputs, batch);
      for (let i = 0; i < batch && start + i < SIDE * SIDE; i += 1) {
        shares.set(this.shares(scores, i), (start + i) * classes);
      }
    }
    return { side: SIDE, shares, classes };
  }

  private async scores(model: ort.InferenceSession, inputs: Float32Array, batch: number): Promise<Float32Array> {
    const output = model.outputNames[0]!;
    return numbersOf((await model.run(this.feeds(model, inputs, batch)))[output]);
  }

  private feeds(model: ort.InferenceSession, inputs: Float32Array, batch: number): Values {
    const [first, ...names] = model.inputNames;
    const feeds: Values = { [first!]: new ort.Tensor("float32", inputs, [batch, ...this.net.input]) };
    for (const name of names) feeds[name] = this.state[name] ?? this.state[name.replace(/\/stored$/, "")]!;
    return feeds;
  }

  private model(name: "test" | "look"): Promise<ort.InferenceSession> {
    const made = this.others.get(name) ?? session(this.net[name]);
    this.others.set(name, made);
    return made;
  }

  private guesses(scores: Float32Array, count: number): { guess: number; share: number }[] {
    return Array.from({ length: count }, (_, i) => {
      const shares = this.shares(scores, i);
      const share = Math.max(...shares);
      return { guess: shares.indexOf(share), share };
    });
  }

  // The probabilities of the classes of a sample; one score is that of the second class.
  private shares(scores: Float32Array, sample: number): number[] {
    const count = this.net.output[0] ?? 1;
    const own = [...scores.subarray(sample * count, (sample + 1) * count)];
    if (count === 1) {
      const share = 1 / (1 + Math.exp(-(own[0] ?? 0)));
      return [1 - share, share];
    }
    const most = Math.max(...own);
    const powers = own.map((score) => Math.exp(score - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  async release(): Promise<void> {
    await this.stepModel?.release();
    for (const model of this.others.values()) await (await model).release();
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((whole, size) => whole * size, 1);
}

// A random order of so many samples (Fisher and Yates).
function shuffled(count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}
