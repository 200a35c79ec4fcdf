// Lays out pictures with Graphviz in a worker.

type Result = { id: number; svg?: string; error?: string };

let worker: Worker | null = null;
let count = 0;

// The picture of a DOT text as SVG.
export function laidOut(dot: string): Promise<string> {
  const id = ++count;
  const own = (worker ??= new Worker("picture-worker.js", { type: "module" }));
  return new Promise((resolve, reject) => {
    const take = (event: MessageEvent<Result>) => {
      if (event.data.id !== id) return;
      own.removeEventListener("message", take);
      if (event.data.svg === undefined) reject(new Error(event.data.error ?? "the picture cannot be drawn"));
      else resolve(event.data.svg);
    };
    own.addEventListener("message", take);
    own.postMessage({ id, dot });
  });
}
