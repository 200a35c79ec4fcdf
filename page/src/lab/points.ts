// Points of a plane in two or more classes.

import { normal, randomStream } from "../weights";

export interface Points {
  places: Float32Array<ArrayBuffer>; // x and y of each, mostly from -1 to 1
  labels: Uint8Array<ArrayBuffer>;
}

type Maker = (random: () => number, label: number) => [number, number];

// The patterns of two classes, by their names.
const PATTERNS: Record<string, Maker> = {
  "two clouds": (random, label) => {
    const centre = label ? 0.4 : -0.4;
    return [centre + 0.22 * normal(random), centre + 0.22 * normal(random)];
  },
  circle: (random, label) => {
    const radius = label ? 0.65 + 0.2 * random() : 0.4 * random();
    const angle = 2 * Math.PI * random();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  "exclusive or": (random, label) => {
    const [x, y] = [0.1 + 0.75 * random(), 0.1 + 0.75 * random()];
    const turn = random() < 0.5 ? 1 : -1;
    return [turn * x, turn * y * (label ? -1 : 1)];
  },
  spiral: (random, label) => {
    const way = random();
    const angle = 3.5 * Math.PI * way + (label ? Math.PI : 0);
    const radius = 0.1 + 0.75 * way;
    return [radius * Math.cos(angle) + 0.02 * normal(random), radius * Math.sin(angle) + 0.02 * normal(random)];
  },
};

export const PATTERN_NAMES = Object.keys(PATTERNS);

export function pattern(name: string, count: number, seed: number): Points {
  const make = PATTERNS[name];
  if (!make) throw new Error(`there is no pattern ${name}`);
  const random = randomStream(seed);
  const places = new Float32Array(2 * count);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  for (let i = 0; i < count; i += 1) places.set(make(random, labels[i] ?? 0), 2 * i);
  return { places, labels };
}

export function withPoint({ places, labels }: Points, x: number, y: number, label: number): Points {
  return { places: Float32Array.from([...places, x, y]), labels: Uint8Array.from([...labels, label]) };
}
