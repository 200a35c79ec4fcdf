// What the page asks of the training worker, and what the worker reports.

import type { Trainable } from "../protocol";
import type { Constants } from "./fitting";
import type { Pictures } from "./pictures";
import type { Points } from "./points";

export type Order =
  | { kind: "net"; net: Trainable; seed: number; keep: boolean } // `keep` the weights of the last net
  | { kind: "compare" } // a step on the graphics processor with one on the processor
  | { kind: "pictures"; pictures: Pictures; constants: Constants | null } // null: those of the pictures
  | { kind: "points"; points: Points }
  | { kind: "hyper"; values: Record<string, number> } // the rate and others, from the next step on
  | { kind: "schedule"; factors: number[] } // of the rate in each step; none for a constant rate
  | { kind: "run"; epochs: number } // stops after so many epochs
  | { kind: "pause" }
  | { kind: "step" }
  | { kind: "reset"; seed: number }
  | { kind: "test" }
  | { kind: "look"; picture: number | Float32Array } // a test picture, or one with values 0 to 255
  | { kind: "surface" }
  | { kind: "filters"; name: string } // of this weight
  | { kind: "weights" };

export interface Stepped {
  kind: "stepped";
  step: number;
  epoch: number;
  steps: number; // of an epoch
  loss: number; // means since the last report
  accuracy: number;
  speed: number; // samples in a second
  rate: number | null; // of the last step, if it follows a schedule
  norms: { name: string; norm: number }[];
}

export interface Guess {
  index: number; // of the test sample
  label: number;
  guess: number;
  share: number; // the probability of the guess
}

export interface Tested {
  kind: "tested";
  epoch: number;
  accuracy: number;
  shown: Guess[];
}

export interface LayerMaps {
  name: string;
  shape: number[]; // channels x height x width
  numbers: Float32Array;
}

export interface Looked {
  kind: "looked";
  index: number | null;
  label: number | null;
  shares: number[]; // the probability of each class
  maps: LayerMaps[];
}

export interface Tensor {
  shape: number[];
  numbers: Float32Array<ArrayBuffer>;
}

export type Report =
  | Stepped
  | Tested
  | Looked
  | { kind: "surface"; side: number; shares: Float32Array; classes: number } // rows from the top
  | { kind: "filters"; name: string; tensor: Tensor }
  | { kind: "weights"; weights: Map<string, Tensor>; constants: Constants | null; classes: string[] }
  | { kind: "compared"; difference: number; times: [number, number] } // milliseconds of a step on each
  | { kind: "ready"; steps: number } // of an epoch
  | { kind: "paused"; epochs: number; isDone: boolean } // so many epochs are complete; all that were asked for
  | { kind: "failed"; message: string };
