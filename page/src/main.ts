// The page: connects the editor, the compiler, the table, the picture and the messages.

import { Compiler } from "./compiler";
import { download, element, find } from "./dom";
import { Editor } from "./editor";
import { Laboratory } from "./lab/laboratory";
import { setFamilyColours } from "./language";
import { laidOut } from "./layout";
import { messages, summary, type Kind } from "./messages";
import { Picture } from "./picture";
import type { Diagnostic, Update } from "./protocol";
import { Saving } from "./saving";
import { Server, takeToken } from "./server";
import { addressOf, textIn } from "./share";
import { SizeFields } from "./sizes";
import { LayerTable } from "./table";
import { TrainingPanel } from "./training-panel";
import { onnxModel } from "./weights";

const FIRST = "lenet5"; // the example that a new visitor sees
const KEPT = "netdsl.text"; // where the browser keeps the text between visits
const PAUSE = 120; // milliseconds without a key, after which the text is checked

const status = find<HTMLOutputElement>("#status");
const nets = find<HTMLSelectElement>("#net");
const examples = find<HTMLSelectElement>("#examples");
const sizes = new SizeFields(find("#sizes"), () => void check());

let compiler: Compiler;
let laboratory: Laboratory;
let editor: Editor;
let saving: Saving | null = null;
let shown: Update | null = null;
let tabled: string | null = null; // the net whose table is shown
let wantedNet: string | null = null;
let timer = 0;
let running = false;
let again = false;

const table = new LayerTable(find("#table"), (row) => select(row.line, row.name, "table"));
const picture = new Picture(find("#drawing"), {
  onSelect: (name, line) => select(line, name, "picture"),
});

// ---- what is selected

let selected: { line: number | null; name: string | null } = { line: null, name: null };

function select(line: number | null, name: string | null, from: "text" | "table" | "picture"): void {
  selected = { line, name };
  table.mark(line, name, from !== "table");
  picture.mark(line, name, from !== "picture");
  if (from !== "text" && line !== null) editor.select(line);
}

// ---- checking

function changed(): void {
  saving?.changed();
  clearTimeout(timer);
  timer = self.setTimeout(check, PAUSE);
}

// One check runs at a time; what is typed meanwhile is checked after it.
async function check(): Promise<void> {
  if (running) {
    again = true;
    return;
  }
  running = true;
  again = false;
  try {
    const text = editor.text;
    keep(text);
    const update = await compiler.ask("update", text, wantedNet, sizes.values);
    show(update);
    if (!again) {
      const rest = await compiler.ask("rest");
      if (text === editor.text) showMessages(rest);
    }
  } catch (error) {
    say((error as Error).message, "error");
  } finally {
    running = false;
    if (again) changed();
  }
}

function keep(text: string): void {
  if (saving !== null) return;
  try {
    localStorage.setItem(KEPT, text);
  } catch {
    // Without storage the text lasts as long as the page.
  }
}

function show(update: Update): void {
  shown = update;
  editor.show(update.diagnostics, update.is_stale ? [] : update.hints);
  showMessages(update.diagnostics);
  nets.replaceChildren(...update.names.map((name) => element("option", { value: name }, name)));
  if (update.net !== null) nets.value = update.net;
  // While a net has errors, the page shows its last version without, but pale.
  const isStale = update.is_stale || (update.table === null && update.net === tabled);
  find("#table").classList.toggle("stale", isStale);
  find("#picture").classList.toggle("stale", isStale);
  if (update.table !== null) {
    tabled = update.net;
    table.show(update.table);
    laboratory.suit(update.table.name, update.table.inputs[0]?.shape ?? []);
    sizes.show(update.table.symbols);
  } else if (!isStale) {
    tabled = null;
    const text = update.net === null ? "The text has no net yet." : "This net has errors.";
    find("#table").replaceChildren(element("p", { class: "empty" }, text));
    picture.clear(text);
  }
  if (update.table !== null) showView();
}

function showMessages(diagnostics: Diagnostic[]): void {
  const { text, kind } = summary(diagnostics);
  say(text, kind);
  find("#messages").replaceChildren(...messages(diagnostics, editor));
  editor.showDiagnostics(diagnostics);
}

function say(text: string, kind: Kind = ""): void {
  status.textContent = text;
  status.className = kind;
}

// ---- views

type View = "text" | "table" | "picture" | "torch" | "train";

function view(): View {
  return (document.body.dataset["view"] as View | undefined) ?? "table";
}

function setView(name: View): void {
  document.body.dataset["view"] = name;
  for (const tab of document.querySelectorAll<HTMLElement>("[role=tab]")) {
    const isSelected = tab.dataset["view"] === name;
    tab.setAttribute("aria-selected", String(isSelected));
    tab.tabIndex = isSelected ? 0 : -1;
  }
  for (const panel of document.querySelectorAll("#side > section")) {
    panel.classList.toggle("shown", panel.id === (name === "text" ? "table" : name));
  }
  showView();
}

// Asks for what only the view that is open needs.
function showView(): void {
  if (shown === null) return;
  if (view() === "picture") void draw();
  if (view() === "torch") void showSource();
}

async function draw(): Promise<void> {
  const depth = find<HTMLSelectElement>("#depth").value;
  const direction = find<HTMLSelectElement>("#direction").value;
  const dot = await compiler.ask("picture", theme(), depth ? Number(depth) : null, direction);
  if (dot === null) return;
  await picture.draw(laidOut(dot), `picture of ${shown?.net}: its layers from input to output`);
  picture.mark(selected.line, selected.name, false);
}

async function showSource(): Promise<void> {
  find("#torch-source").textContent = await compiler.ask("torch_source");
}

function theme(): "light" | "dark" {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// ---- texts

function take(text: string, net: string | null): void {
  wantedNet = net;
  sizes.clear();
  editor.text = text;
  void check();
}

async function share(): Promise<void> {
  const address = await addressOf(editor.text, nets.value || null);
  history.replaceState(null, "", address);
  try {
    await navigator.clipboard.writeText(address);
    say("the address is copied");
  } catch {
    say("the address is in the address bar");
  }
}

// Shows the file that `netdsl view` serves, if it serves the page.
async function openFile(server: Server): Promise<boolean> {
  const file = await server.open();
  if (!file.name) return false;
  await compiler.ask("open", file.name, file.beside);
  saving = new Saving(
    server,
    file,
    () => editor.text,
    (text) => {
      editor.text = text;
    },
    say,
  );
  // Another text in its place would be saved, too.
  for (const id of ["#examples", "#open"]) find<HTMLElement>(id).hidden = file.can_save;
  find<HTMLElement>("#examples").parentElement!.hidden = file.can_save;
  find("h1").textContent = file.name;
  document.title = `${file.name}: netdsl`;
  take(file.text, file.net);
  const panel = new TrainingPanel(
    server,
    () => nets.value || null,
    () => saving?.settled() ?? Promise.resolve(),
  );
  void server.follow({
    onFile: (sum) => void saving?.taken(sum),
    onTraining: (event) => panel.take(event),
    onLost: (message) => say(message, "error"),
  });
  return true;
}

async function firstText(): Promise<{ text: string; net: string | null }> {
  const shared = await textIn(location.hash);
  if (shared !== null) return shared;
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // The first example is shown instead.
  }
  if (kept?.trim()) return { text: kept, net: null };
  return { text: await compiler.ask("example", FIRST), net: null };
}

// ---- the start

function connect(): void {
  const on = (selector: string, type: string, act: () => void) => find(selector).addEventListener(type, act);
  const file = find<HTMLInputElement>("#file");
  on("#open", "click", () => file.click());
  on("#file", "change", async () => {
    const chosen = file.files?.[0];
    if (chosen) take(await chosen.text(), null);
    file.value = "";
  });
  on("#save", "click", () => download(`${nets.value || "net"}.net`, editor.text, "text/plain"));
  on("#share", "click", () => void share());
  on("#examples", "change", async () => {
    if (examples.value) take(await compiler.ask("example", examples.value), null);
  });
  on("#net", "change", () => {
    wantedNet = nets.value;
    sizes.clear();
    void check();
  });
  on("#larger", "click", picture.larger);
  on("#smaller", "click", picture.smaller);
  on("#fit", "click", picture.fit);
  on("#depth", "change", () => void draw());
  on("#direction", "change", () => void draw());
  on("#save-picture", "click", () => {
    if (picture.svg) download(`${nets.value}.svg`, picture.svg.outerHTML, "image/svg+xml");
  });
  on("#save-torch", "click", () => download("model.py", find("#torch-source").textContent ?? "", "text/x-python"));
  on("#save-onnx", "click", async () => {
    const model = await compiler.ask("onnx_model");
    if (model !== null) download(`${nets.value}.onnx`, onnxModel(model, new Map(), 0), "application/octet-stream");
  });
  on("#copy-torch", "click", () => void navigator.clipboard.writeText(find("#torch-source").textContent ?? ""));
  on("#theme", "click", () => {
    document.documentElement.dataset["theme"] = theme() === "dark" ? "light" : "dark";
    showView();
  });
  const tabs = [...document.querySelectorAll<HTMLElement>("[role=tab]")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => setView(tab.dataset["view"] as View));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      const visible = tabs.filter((other) => other.offsetParent !== null);
      const next = visible[(visible.indexOf(tab) + step + visible.length) % visible.length];
      next?.focus();
      next?.click();
    });
  }
  window.addEventListener("hashchange", async () => {
    const shared = saving === null ? await textIn(location.hash) : null;
    if (shared !== null) take(shared.text, shared.net);
  });
  connectBar();
}

// The bar between the text and the views moves with the pointer and with the arrow keys.
function connectBar(): void {
  const bar = find<HTMLElement>("#bar");
  const main = find<HTMLElement>("main");
  const set = (share: number) =>
    main.style.setProperty("--text-width", `${Math.min(Math.max(share, 0.2), 0.8) * 100}%`);
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent) => set(moved.clientX / main.clientWidth);
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", () => bar.removeEventListener("pointermove", move), { once: true });
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 0.03, ArrowLeft: -0.03 }[event.key];
    if (step !== undefined) set(bar.offsetLeft / main.clientWidth + step);
  });
}

async function start(): Promise<void> {
  setFamilyColours(document.documentElement);
  compiler = new Compiler(
    (text) => say(`${text} ...`),
    () => say("the check was stopped: it needed more than 30 seconds", "error"),
  );
  editor = new Editor(find("#editor"), compiler, {
    onChange: changed,
    onLine: (line) => select(line, null, "text"),
  });
  connect();
  laboratory = new Laboratory(compiler);
  setView("table");
  if (matchMedia("(max-width: 46rem)").matches) setView("text");
  const about = await compiler.ask("about");
  examples.append(...about.examples.map((name) => element("option", { value: name }, name)));
  const token = takeToken();
  if (token !== null && (await openFile(new Server(token)))) return;
  const { text, net } = await firstText();
  take(text, net);
  if (token === null && "serviceWorker" in navigator && location.protocol !== "file:") {
    await navigator.serviceWorker.register("service-worker.js");
  }
}

start().catch((error: Error) => say(`the page cannot start: ${error.message}`, "error"));
