// Pictures, feature maps, filters and planes on canvases.

import type { LayerMaps, Tensor } from "./orders";
import type { Pictures, Samples } from "./pictures";
import type { Points } from "./points";

const MOST = 64; // tiles of a canvas
const GAP = 2; // pixels between tiles
const COLOURS = [
  [230, 120, 40],
  [50, 110, 200],
  [70, 160, 90],
] as const;

interface Tile {
  width: number;
  height: number;
  pixel(i: number): [number, number, number]; // of 0 to 255, the rows from the top
}

// Draws tiles in rows, with a whole number of screen pixels for each of theirs.
function draw(canvas: HTMLCanvasElement, tiles: Tile[], wanted: number): void {
  const first = tiles[0];
  if (!first) {
    canvas.width = canvas.height = 1;
    return;
  }
  const scale = Math.max(1, Math.round(wanted / first.width));
  const columns = Math.min(tiles.length, Math.max(1, Math.floor(440 / (first.width * scale + GAP))));
  const rows = Math.ceil(tiles.length / columns);
  canvas.width = columns * (first.width * scale + GAP) - GAP;
  canvas.height = rows * (first.height * scale + GAP) - GAP;
  const context = canvas.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  for (const [i, tile] of tiles.entries()) {
    const image = new ImageData(tile.width, tile.height);
    for (let at = 0; at < tile.width * tile.height; at += 1) image.data.set([...tile.pixel(at), 255], 4 * at);
    const small = new OffscreenCanvas(tile.width, tile.height);
    small.getContext("2d")!.putImageData(image, 0, 0);
    const x = (i % columns) * (tile.width * scale + GAP);
    const y = Math.floor(i / columns) * (tile.height * scale + GAP);
    context.drawImage(small, x, y, tile.width * scale, tile.height * scale);
  }
}

function grey(value: number): [number, number, number] {
  const byte = Math.round(255 * Math.min(Math.max(value, 0), 1));
  return [byte, byte, byte];
}

// Maps of one layer on one scale; returns a sentence about it.
export function drawMaps(canvas: HTMLCanvasElement, { shape, numbers }: LayerMaps): string {
  const [channels = 0, height = 0, width = 0] = shape;
  const { least, most } = range(numbers);
  const shown = Math.min(channels, MOST);
  const tiles = Array.from({ length: shown }, (_, c) => ({
    ...{ width, height },
    pixel: (i: number) => grey(((numbers[c * height * width + i] ?? 0) - least) / (most - least || 1)),
  }));
  draw(canvas, tiles, width < 12 ? 36 : 56);
  const count = shown < channels ? `${shown} of ${channels}` : `${channels}`;
  return `${count} maps of ${height} x ${width}, black is ${text(least)}, white ${text(most)}`;
}

// The filters of a convolution: in colour for three channels, else each channel as a tile.
export function drawFilters(canvas: HTMLCanvasElement, { shape, numbers }: Tensor): string {
  const [count = 0, channels = 0, height = 1, width = 1] = shape;
  const { least, most } = range(numbers);
  const value = (i: number) => ((numbers[i] ?? 0) - least) / (most - least || 1);
  const area = height * width;
  const isColour = channels === 3;
  const all = isColour ? count : count * channels;
  const shown = Math.min(all, MOST);
  const tiles = Array.from({ length: shown }, (_, tile) => ({
    ...{ width, height },
    pixel: (i: number): [number, number, number] => {
      if (!isColour) return grey(value(tile * area + i));
      const [r, g, b] = [0, 1, 2].map((c) => Math.round(255 * value((3 * tile + c) * area + i)));
      return [r!, g!, b!];
    },
  }));
  draw(canvas, tiles, 32);
  const part = shown < all ? `${shown} of ${all}` : `${all}`;
  return `${part} of ${height} x ${width}, black is ${text(least)}, white ${text(most)}`;
}

export function drawPicture(canvas: HTMLCanvasElement, pictures: Pictures, samples: Samples, index: number): void {
  const { channels, height, width } = pictures;
  const area = height * width;
  const start = index * channels * area;
  const read = (c: number, i: number) => samples.pixels[start + (channels === 1 ? 0 : c) * area + i] ?? 0;
  const image = new ImageData(width, height);
  for (let i = 0; i < area; i += 1) image.data.set([read(0, i), read(1, i), read(2, i), 255], 4 * i);
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d")!.putImageData(image, 0, 0);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// The plane from -1 to 1: its colours are the classes that the net gives, and the points are data.
export function drawPlane(
  canvas: HTMLCanvasElement,
  points: Points,
  surface: { side: number; shares: Float32Array; classes: number } | null,
): void {
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (surface) {
    const { side, shares, classes } = surface;
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i += 1) {
      for (let part = 0; part < 3; part += 1) {
        let value = 0;
        for (let c = 0; c < classes; c += 1) value += (shares[i * classes + c] ?? 0) * colour(c)[part]!;
        image.data[4 * i + part] = 255 - (255 - value) * 0.55;
      }
      image.data[4 * i + 3] = 255;
    }
    const small = new OffscreenCanvas(side, side);
    small.getContext("2d")!.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
  }
  for (const [i, label] of points.labels.entries()) {
    const [x = 0, y = 0] = points.places.subarray(2 * i, 2 * i + 2);
    context.beginPath();
    context.arc(((x + 1) / 2) * canvas.width, ((1 - y) / 2) * canvas.height, 4, 0, 2 * Math.PI);
    context.fillStyle = `rgb(${colour(label).join()})`;
    context.fill();
    context.strokeStyle = "#fff";
    context.stroke();
  }
}

function colour(label: number): readonly [number, number, number] {
  return COLOURS[label % COLOURS.length]!;
}

function range(numbers: ArrayLike<number>): { least: number; most: number } {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < numbers.length; i += 1) {
    const number = numbers[i] ?? 0;
    if (number < least) least = number;
    if (number > most) most = number;
  }
  return { least, most };
}

export function text(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
