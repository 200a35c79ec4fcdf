// Makes the input of a net from pictures: its size, its channels, and its numbers.

export interface Constants {
  mean: number[];
  std: number[];
}

export interface Size {
  channels: number;
  height: number;
  width: number;
}

// Writes pictures into the input of a net. Pictures that are smaller by the same number of pixels on
// each side get a black border; others are scaled. One channel is repeated to three, and three are
// averaged to one.
export class Fitting {
  private rows: Weights[];
  private columns: Weights[];

  constructor(
    readonly from: Size,
    readonly to: Size,
    private constants: Constants,
  ) {
    const { channels } = to;
    const isGrey = (from.channels === 1 && channels === 3) || channels === 1;
    if (channels !== from.channels && !isGrey) {
      throw new Error(`the net takes ${channels} channels, the pictures have ${from.channels}`);
    }
    const border = to.height - from.height;
    const isBordered = border >= 0 && border % 2 === 0 && to.width - from.width === border;
    const along = isBordered ? bordered : scaled;
    this.rows = along(from.height, to.height);
    this.columns = along(from.width, to.width);
  }

  get size(): number {
    return this.to.channels * this.to.height * this.to.width;
  }

  // Writes a picture of bytes, or of numbers from 0 to 255, at a place of the target.
  write(picture: ArrayLike<number>, target: Float32Array, place: number): void {
    const { from, to } = this;
    const area = from.height * from.width;
    let at = place;
    for (let c = 0; c < to.channels; c += 1) {
      const mean = this.constants.mean[c] ?? this.constants.mean[0] ?? 0;
      const std = this.constants.std[c] ?? this.constants.std[0] ?? 1;
      const read = (i: number) => {
        if (from.channels === to.channels) return picture[c * area + i] ?? 0;
        if (from.channels === 1) return picture[i] ?? 0;
        let sum = 0;
        for (let channel = 0; channel < from.channels; channel += 1) sum += picture[channel * area + i] ?? 0;
        return sum / from.channels;
      };
      for (const row of this.rows) {
        for (const column of this.columns) {
          let value = 0;
          for (const [y, a] of row) for (const [x, b] of column) value += a * b * read(y * from.width + x);
          target[at] = (value / 255 - mean) / std;
          at += 1;
        }
      }
    }
  }
}

// The places of which an output takes a share; none in a border.
type Weights = [number, number][];

function bordered(before: number, after: number): Weights[] {
  const pad = (after - before) / 2;
  return Array.from({ length: after }, (_, i) => (i >= pad && i < pad + before ? [[i - pad, 1]] : []));
}

// By linear interpolation between the centres of pixels.
function scaled(before: number, after: number): Weights[] {
  return Array.from({ length: after }, (_, i) => {
    const x = Math.min(Math.max(((i + 0.5) * before) / after - 0.5, 0), before - 1);
    const first = Math.floor(x);
    const share = x - first;
    return share === 0 ? [[first, 1]] : [[first, 1 - share], [Math.min(first + 1, before - 1), share]];
  });
}

// The mean and the standard deviation of each channel, of pixels from 0 to 1.
export function constantsOf(pixels: Uint8Array, channels: number, area: number): Constants {
  const [mean, std]: [number[], number[]] = [[], []];
  for (let c = 0; c < channels; c += 1) {
    let [sum, squares, count] = [0, 0, 0];
    for (let start = c * area; start < pixels.length; start += channels * area) {
      for (let i = start; i < start + area; i += 1) {
        const value = (pixels[i] ?? 0) / 255;
        sum += value;
        squares += value * value;
        count += 1;
      }
    }
    mean.push(sum / count);
    std.push(Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 1e-6)));
  }
  return { mean, std };
}
