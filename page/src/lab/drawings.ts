// The pictures that the visitor has drawn and named, as data to train with.

import type { Pictures, Samples } from "./pictures";

const SIDE = 28;

export class Drawings {
  private pictures: { pixels: Uint8Array; label: number }[] = [];

  static readonly side = SIDE;

  get count(): number {
    return this.pictures.length;
  }

  add(pixels: Float32Array, label: number): void {
    this.pictures.push({ pixels: Uint8Array.from(pixels), label });
  }

  // Of each class, every fifth one is for tests.
  data(): Pictures {
    const seen = new Map<number, number>();
    const isTest = this.pictures.map(({ label }) => {
      const count = (seen.get(label) ?? 0) + 1;
      seen.set(label, count);
      return count % 5 === 0;
    });
    const samples = (tests: boolean): Samples => {
      const own = this.pictures.filter((_, i) => isTest[i] === tests);
      const pixels = new Uint8Array(own.length * SIDE * SIDE);
      for (const [i, picture] of own.entries()) pixels.set(picture.pixels, i * SIDE * SIDE);
      return { pixels, labels: Uint8Array.from(own, ({ label }) => label) };
    };
    return {
      ...{ title: "drawings", classes: [..."0123456789"], channels: 1, height: SIDE, width: SIDE },
      ...{ train: samples(false), test: samples(true) },
    };
  }
}
