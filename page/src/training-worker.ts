// Trains a net with onnxruntime in a worker, and obeys the orders of the page between the steps.

import { Lesson } from "./lab/lesson";
import type { Order, Report } from "./lab/orders";

const REPORT = 100; // milliseconds between two reports of the training

const post = (report: Report) => self.postMessage(report);
const orders: Order[] = [];
const turn = new MessageChannel();

let lesson: Lesson | null = null;
let running = false;
let busy = false;
let tested = 0; // epochs
let end = 0; // of the training, in epochs

self.addEventListener("message", (event: MessageEvent<Order>) => {
  orders.push(event.data);
  if (!busy) void work();
});

async function work(): Promise<void> {
  busy = true;
  while (orders.length || running) {
    try {
      const order = orders.shift();
      if (order) await obey(order);
      else await train();
    } catch (error) {
      running = false;
      post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  }
  busy = false;
}

async function obey(order: Order): Promise<void> {
  if (order.kind === "net") {
    const last = lesson;
    running = false; // until the page has given the data, too
    lesson = await Lesson.of(order.net, order.seed, order.keep ? last : null);
    await last?.release();
    tested = lesson.epoch;
    post({ kind: "ready", steps: lesson.stepsOfEpoch });
    return;
  }
  if (lesson === null) return;
  switch (order.kind) {
    case "run":
      running = true;
      end = lesson.epoch + order.epochs;
      break;
    case "pause":
      stop();
      break;
    case "pictures":
      lesson.takePictures(order.pictures, order.constants);
      post({ kind: "ready", steps: lesson.stepsOfEpoch });
      break;
    case "points":
      lesson.takePoints(order.points);
      post({ kind: "ready", steps: lesson.stepsOfEpoch });
      break;
    case "hyper":
      lesson.setHyper(order.values);
      break;
    case "schedule":
      lesson.setSchedule(order.factors);
      break;
    case "step":
      stop();
      await train(true);
      break;
    case "compare":
      post({ kind: "compared", ...(await lesson.compare()) });
      break;
    case "reset":
      lesson.reset(order.seed);
      tested = 0;
      break;
    case "test":
      post(await lesson.testAll());
      break;
    case "look":
      post(await lesson.look(order.picture));
      break;
    case "surface":
      post({ kind: "surface", ...(await lesson.surface()) });
      break;
    case "filters": {
      const tensor = await lesson.tensor(order.name);
      if (tensor) post({ kind: "filters", name: order.name, tensor });
      break;
    }
    case "weights":
      post({ kind: "weights", weights: await lesson.weights(), constants: lesson.constants, classes: lesson.classNames });
      break;
  }
}

function stop(isDone = false): void {
  if (running) post({ kind: "paused", epochs: lesson?.epoch ?? 0, isDone });
  running = false;
}

// Takes steps until the next report is due, an order arrives, or an epoch ends.
async function train(isSingle = false): Promise<void> {
  const now = lesson!;
  const start = performance.now();
  let [loss, accuracy, count] = [0, 0, 0];
  let norms: number[] = [];
  do {
    const made = await now.advance();
    loss += made.loss;
    accuracy += made.accuracy;
    norms = made.norms;
    count += 1;
    await new Promise((resolve) => {
      turn.port1.onmessage = resolve; // lets orders arrive
      turn.port2.postMessage(null);
    });
    if (isSingle || orders.length || performance.now() - start > REPORT) break;
  } while (now.epoch === tested || !now.hasTests);
  post({
    ...{ kind: "stepped", step: now.step, epoch: now.epoch, steps: now.stepsOfEpoch },
    ...{ loss: loss / count, accuracy: accuracy / count },
    speed: (1000 * count * now.net.names.batch) / (performance.now() - start),
    rate: now.rate,
    norms: now.net.names.learned.map((name, i) => ({ name, norm: norms[i] ?? 0 })),
  });
  if (now.epoch === tested) return;
  tested = now.epoch;
  if (now.hasTests) post(await now.testAll());
  if (now.epoch >= end) stop(true);
}
