// Pictures with classes: the shipped sample, and files of the visitor.

export interface Pictures {
  title: string;
  classes: string[];
  channels: number;
  height: number;
  width: number;
  train: Samples;
  test: Samples;
}

// The pixels of all pictures, N x channels x height x width, and their classes.
export interface Samples {
  pixels: Uint8Array<ArrayBuffer>;
  labels: Uint8Array<ArrayBuffer>;
}

export const FASHION = [
  ...["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"],
  ...["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
];
const CIFAR = [...["airplane", "automobile", "bird", "cat", "deer"], ...["dog", "frog", "horse", "ship", "truck"]];
const DIGITS = [..."0123456789"];
const SAMPLE = "training/fashion_mnist_sample";
const SIDE = 32; // pixels of the sides to which photographs are scaled
const MOST = 50_000; // pictures
const RECORD = 3073; // bytes of a picture in CIFAR-10's binary files

export async function sample(): Promise<Pictures> {
  const part = async (name: string) => gunzipped(await (await fetched(`${SAMPLE}/${name}.gz`)).blob());
  const [pixels, labels, testPixels, testLabels] = await Promise.all([
    part("train-images-idx3-ubyte"),
    part("train-labels-idx1-ubyte"),
    part("t10k-images-idx3-ubyte"),
    part("t10k-labels-idx1-ubyte"),
  ]);
  const images = idx(pixels);
  return {
    title: "Fashion-MNIST sample",
    classes: FASHION,
    channels: 1,
    height: images.sizes[1] ?? 0,
    width: images.sizes[2] ?? 0,
    train: { pixels: images.values, labels: idx(labels).values },
    test: { pixels: idx(testPixels).values, labels: idx(testLabels).values },
  };
}

async function fetched(path: string): Promise<Response> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} cannot be loaded`);
  return answer;
}

async function gunzipped(blob: Blob): Promise<ArrayBuffer> {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// An IDX file (http://yann.lecun.com/exdb/mnist/) of bytes: its sizes, and its values.
export function idx(data: ArrayBuffer): { sizes: number[]; values: Uint8Array<ArrayBuffer> } {
  const view = new DataView(data);
  const rank = data.byteLength < 4 ? 0 : view.getUint8(3);
  if (rank < 1 || rank > 3 || data.byteLength < 4 + 4 * rank || view.getUint16(0) !== 0 || view.getUint8(2) !== 8) {
    throw new Error("the file is not an IDX file of bytes");
  }
  const sizes = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const values = new Uint8Array(data, 4 + 4 * rank);
  const count = sizes.reduce((product, size) => product * size, 1);
  if (values.length !== count) throw new Error(`the IDX file has ${values.length} values, and its head says ${count}`);
  return { sizes, values };
}

// ---- files of the visitor

// A file and the folders in which it was dropped.
export interface Given {
  path: string;
  file: File;
}

// Pictures in one folder for each class, the four files of MNIST, or the binary files of CIFAR-10.
export async function picturesIn(given: Given[]): Promise<Pictures> {
  const named = (pattern: RegExp) => given.filter(({ path }) => pattern.test(path));
  const idxs = named(/-(images|labels)[-.]idx[13]-ubyte(\.gz)?$/);
  if (idxs.length) return fromIdx(idxs);
  const batches = named(/(data|test)_batch(_\d)?\.bin$/);
  if (batches.length) return fromCifar(batches);
  const pictures = named(/\.(png|jpe?g|webp|gif|bmp)$/i);
  if (pictures.length) return fromFolders(pictures);
  throw new Error("there are no pictures: give folders of them, MNIST's four files, or CIFAR-10's .bin files");
}

async function fromIdx(given: Given[]): Promise<Pictures> {
  const part = async (start: RegExp, kind: string) => {
    const found = given.find(({ path }) => start.test(path.split("/").pop() ?? "") && path.includes(kind));
    if (!found) throw new Error(`the file of ${kind} ${start.source.includes("t10k") ? "for tests" : "for training"} is missing`);
    const blob = found.file;
    return idx(found.path.endsWith(".gz") ? await gunzipped(blob) : await blob.arrayBuffer());
  };
  const split = async (start: RegExp) => {
    const [images, labels] = await Promise.all([part(start, "images"), part(start, "labels")]);
    if (images.sizes[0] !== labels.sizes[0]) throw new Error("the files have different numbers of images and labels");
    return { sizes: images.sizes, pixels: images.values, labels: labels.values };
  };
  const [train, test] = await Promise.all([split(/^train/), split(/^t10k|^test/)]);
  return {
    ...{ title: "IDX files", classes: DIGITS, channels: 1 },
    ...{ height: train.sizes[1] ?? 0, width: train.sizes[2] ?? 0, train, test },
  };
}

async function fromCifar(given: Given[]): Promise<Pictures> {
  const split = async (kind: string): Promise<Samples> => {
    const files = given.filter(({ path }) => path.includes(`${kind}_batch`)).sort((a, b) => (a.path < b.path ? -1 : 1));
    const parts = await Promise.all(files.map(async ({ file }) => new Uint8Array(await file.arrayBuffer())));
    const count = parts.reduce((sum, part) => sum + part.length / RECORD, 0);
    if (!count || !Number.isInteger(count)) throw new Error(`the files ${kind}_batch are missing or damaged`);
    const made = { pixels: new Uint8Array(count * (RECORD - 1)), labels: new Uint8Array(count) };
    let place = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length; at += RECORD, place += 1) {
        made.labels[place] = part[at] ?? 0;
        made.pixels.set(part.subarray(at + 1, at + RECORD), place * (RECORD - 1));
      }
    }
    return made;
  };
  const [train, test] = await Promise.all([split("data"), split("test")]);
  return { title: "CIFAR-10", classes: CIFAR, channels: 3, height: 32, width: 32, train, test };
}

// A picture belongs to the class that its folder names. Of each class, every fifth one is for tests,
// unless there are folders `train` and `test`.
async function fromFolders(given: Given[]): Promise<Pictures> {
  const sorted = given.toSorted((a, b) => (a.path < b.path ? -1 : 1)).slice(0, MOST);
  const folder = ({ path }: Given) => path.split("/").at(-2) ?? "";
  const classes = [...new Set(sorted.map(folder))].sort();
  if (classes.length < 2) throw new Error("all pictures are in one folder: give a folder for each class");
  const isTest = ({ path }: Given) => /(^|\/)(test|val|valid|validation)\//i.test(path);
  const hasSplit = sorted.some(isTest) && !sorted.every(isTest);
  const counts = new Map<string, number>();
  const parts: { train: Given[]; test: Given[] } = { train: [], test: [] };
  for (const one of sorted) {
    const count = (counts.get(folder(one)) ?? 0) + 1;
    counts.set(folder(one), count);
    parts[(hasSplit ? isTest(one) : count % 5 === 0) ? "test" : "train"].push(one);
  }
  const read = async (list: Given[]): Promise<Samples> => {
    const size = 3 * SIDE * SIDE;
    const made = { pixels: new Uint8Array(list.length * size), labels: new Uint8Array(list.length) };
    for (const [i, one] of list.entries()) {
      made.pixels.set(await decoded(one.file, one.path), i * size);
      made.labels[i] = classes.indexOf(folder(one));
    }
    return made;
  };
  const [train, test] = [await read(parts.train), await read(parts.test)];
  return { title: `${sorted.length} pictures`, classes, channels: 3, height: SIDE, width: SIDE, train, test };
}

// A picture as 3 x SIDE x SIDE bytes: its middle square, scaled.
async function decoded(file: Blob, name: string): Promise<Uint8Array> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${name} is not a picture that the browser can read`);
  }
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  bitmap.close();
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const made = new Uint8Array(3 * SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i += 1) {
    for (let c = 0; c < 3; c += 1) made[c * SIDE * SIDE + i] = data[4 * i + c] ?? 0;
  }
  return made;
}
