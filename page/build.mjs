// Builds the playground into dist/: `npm ci && npm run build`.
//
// It needs the Python that netdsl runs in (`PYTHON`, by default `python3`). The compiler becomes one
// archive of compiled modules; Python itself, Graphviz and the editor come from npm.

import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { loadPyodide } from "pyodide";

const HERE = import.meta.dirname;
const DIST = join(HERE, "dist");
const PYTHON = process.env.PYTHON ?? "python3";
const FROM_PYODIDE = ["pyodide.asm.mjs", "pyodide.asm.wasm"];
const LIMIT = 8_000_000; // bytes of the compressed files that every visitor loads
const SAMPLE = "netdsl/data/fashion_mnist_sample";
const LATER = /^training[-/]/; // files and scripts that are loaded when the visitor trains a net
const WIDGET = "widget.js"; // what notebooks load; visitors of the page do not

function python(...words) {
  const environment = { ...process.env, PYTHONPATH: join(HERE, "..") };
  return execFileSync(PYTHON, words, { cwd: join(HERE, ".."), env: environment, maxBuffer: 1e8 });
}

// ---- Python and the compiler

// Compiles the modules of the compiler and of Python's library with the Python of the browser.
async function python_files() {
  const from = join(HERE, "node_modules/pyodide");
  mkdirSync(join(DIST, "pyodide"));
  for (const name of FROM_PYODIDE) copyFileSync(join(from, name), join(DIST, "pyodide", name));
  const lock = JSON.parse(readFileSync(join(from, "pyodide-lock.json"), "utf8"));
  writeFileSync(join(DIST, "pyodide/pyodide-lock.json"), JSON.stringify({ ...lock, packages: {} }));

  const archive = join(DIST, "sources.zip");
  python("-m", "netdsl.page.archive", archive);
  const py = await loadPyodide();
  py.unpackArchive(new Uint8Array(readFileSync(archive)), "zip", { extractDir: "/sources" });
  rmSync(archive);
  py.FS.writeFile("/library.zip", new Uint8Array(readFileSync(join(from, "python_stdlib.zip"))));
  py.runPython(readFileSync(join(HERE, "pack.py"), "utf8"));
  writeFileSync(join(DIST, "netdsl.pack"), py.runPython(`compiler("/sources")`).toJs());
  writeFileSync(join(DIST, "pyodide/python_stdlib.zip"), py.runPython(`library("/library.zip")`).toJs());
}

// ---- our own source

const words = {
  name: "words",
  setup(builder) {
    builder.onResolve({ filter: /^words\.json$/ }, () => ({ path: "words.json", namespace: "words" }));
    builder.onLoad({ filter: /.*/, namespace: "words" }, () => ({
      contents: python("-m", "netdsl.page.words").toString(),
      loader: "json",
    }));
  },
};

async function bundle(name, define = {}, options = {}) {
  await build({
    entryPoints: [join(HERE, `src/${name}.ts`)],
    outfile: join(DIST, `${name}.js`),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    define,
    plugins: [words],
    external: ["node:*"],
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });
}

// What trains nets: onnxruntime, and the sample of Fashion-MNIST.
function training_files() {
  const target = join(DIST, "training");
  mkdirSync(join(target, "fashion_mnist_sample"), { recursive: true });
  const from = join(HERE, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded");
  copyFileSync(`${from}.wasm`, join(target, "ort-wasm.wasm"));
  copyFileSync(`${from}.jspi.wasm`, join(target, "ort-webgpu.wasm"));
  for (const name of readdirSync(join(HERE, "..", SAMPLE))) {
    copyFileSync(join(HERE, "..", SAMPLE, name), join(target, "fashion_mnist_sample", name));
  }
}

// ---- what came out

function files(folder = "") {
  return readdirSync(join(DIST, folder), { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? files(`${folder}${entry.name}/`) : [`${folder}${entry.name}`]))
    .sort();
}

function licences() {
  const lock = JSON.parse(readFileSync(join(HERE, "package-lock.json"), "utf8"));
  const parts = [];
  for (const [path, item] of Object.entries(lock.packages)) {
    if (!path || item.dev) continue;
    const folder = join(HERE, path);
    if (!existsSync(folder)) continue;
    const name = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    const text = name ? readFileSync(join(folder, name), "utf8").trim() : "";
    parts.push(`${path.replace(/^node_modules\//, "")} ${item.version}: ${item.license ?? "see its page"}\n\n${text}`.trim());
  }
  parts.push("CPython, in pyodide: Python Software Foundation License Version 2");
  parts.push("Graphviz, in @viz-js/viz: Eclipse Public License 1.0 or 2.0, https://graphviz.org/license/");
  writeFileSync(join(DIST, "licences.txt"), `${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`);
}

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST, { recursive: true });
for (const name of ["index.html", "icon.svg"]) copyFileSync(join(HERE, "src", name), join(DIST, name));
const styles = [join(HERE, "src/parts.css"), join(HERE, "src/style.css"), join(HERE, "node_modules/uplot/dist/uPlot.min.css")];
writeFileSync(join(DIST, "style.css"), styles.map((path) => readFileSync(path, "utf8")).join("\n"));
await python_files();
training_files();
await bundle("main");
await bundle("compiler-worker");
await bundle("picture-worker");
await bundle("training-worker", { ON_GPU: "false" }, { outfile: join(DIST, "training-wasm.js") });
await bundle(
  "training-worker",
  { ON_GPU: "true" },
  { outfile: join(DIST, "training-webgpu.js"), alias: { "onnxruntime-web/wasm": "onnxruntime-web/jspi" } },
);
await bundle("widget", {}, { loader: { ".css": "text" } });
licences();

const kept = files().filter((name) => name !== "licences.txt" && name !== WIDGET);
const sum = createHash("sha256");
for (const name of kept) sum.update(name).update(readFileSync(join(DIST, name)));
const version = sum.digest("hex").slice(0, 16);
await bundle("service-worker", { FILES: JSON.stringify(["./", ...kept.filter((name) => !LATER.test(name))]), VERSION: JSON.stringify(version) });

let [total, later] = [0, 0];
for (const name of files()) {
  const size = gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;
  if (LATER.test(name)) later += size;
  else if (name !== WIDGET) total += size;
  console.log(`${String(statSync(join(DIST, name)).size).padStart(10)} ${String(size).padStart(9)} gzipped  ${name}`);
}
console.log(`${total.toLocaleString("en")} bytes gzipped, and ${later.toLocaleString("en")} for training`);
if (total > LIMIT) {
  console.error(`more than ${LIMIT.toLocaleString("en")} bytes`);
  process.exit(1);
}
