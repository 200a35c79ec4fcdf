// The client of the language server, and the commands.

import * as vscode from "vscode";
import { LanguageClient, State } from "vscode-languageclient/node";
import { type Net, failureOf, inOrder, pictureOf, program, run } from "./programs";

let client: LanguageClient | undefined;

function chosen() {
  return program(vscode.workspace.getConfiguration("netdsl").get("command"));
}

// ---- the server

async function start(): Promise<void> {
  const { file, before } = chosen();
  const server = { command: file, args: [...before, "lsp"] };
  client = new LanguageClient("netdsl", "netdsl", server, {
    documentSelector: [{ language: "netdsl" }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.net") },
  });
  try {
    await client.start();
  } catch (error) {
    const words = `netdsl did not start (${file}): ${error instanceof Error ? error.message : error}`;
    const open = "Open the setting";
    if ((await vscode.window.showErrorMessage(words, open)) === open) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "netdsl.command");
    }
  }
}

async function stop(): Promise<void> {
  const old = client;
  client = undefined;
  if (old !== undefined && old.state !== State.Stopped) await old.stop();
}

// ---- nets

// The nets of a text, from the outline that the server gives.
async function netsOf(document: vscode.TextDocument): Promise<Net[]> {
  const found = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
    "vscode.executeDocumentSymbolProvider",
    document.uri,
  );
  return (found ?? [])
    .filter((symbol) => symbol.kind === vscode.SymbolKind.Class)
    .map((symbol) => ({ name: symbol.name, first: symbol.range.start.line, last: symbol.range.end.line }));
}

async function pick(editor: vscode.TextEditor): Promise<string | undefined> {
  const names = inOrder(await netsOf(editor.document), editor.selection.active.line).map((net) => net.name);
  return names.length > 1 ? vscode.window.showQuickPick(names, { title: "Which net?" }) : (names[0] ?? "");
}

// The file of the active text, saved. A text in no file has none, and the programs need one.
async function savedFile(editor: vscode.TextEditor): Promise<string | undefined> {
  const { document } = editor;
  if (document.uri.scheme !== "file" || (document.isDirty && !(await document.save()))) {
    await vscode.window.showInformationMessage("Save the text in a file first.");
    return undefined;
  }
  return document.uri.fsPath;
}

function folderOf(document: vscode.TextDocument): string | undefined {
  if (document.uri.scheme !== "file") return undefined;
  return vscode.Uri.joinPath(document.uri, "..").fsPath;
}

// ---- commands

// Runs a program in a terminal of its own, which shows its progress and can stop it.
function inTerminal(title: string, words: string[], folder: string | undefined): void {
  const { file, before } = chosen();
  const options = { name: title, shellPath: file, shellArgs: [...before, ...words], cwd: folder };
  const terminal = vscode.window.createTerminal({ ...options, isTransient: true });
  terminal.show(true);
}

async function inOutput(output: vscode.OutputChannel, editor: vscode.TextEditor): Promise<void> {
  const file = await savedFile(editor);
  if (file === undefined) return;
  const done = await run(chosen(), ["check", file], folderOf(editor.document));
  output.replace(done.out + done.errors);
  output.show(true);
}

class Pictures {
  private readonly panels = new Map<string, { panel: vscode.WebviewPanel; net: string }>();

  async show(editor: vscode.TextEditor): Promise<void> {
    const net = await pick(editor);
    if (net === undefined) return;
    const key = editor.document.uri.toString();
    let open = this.panels.get(key);
    if (open === undefined) {
      const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
      open = { panel: vscode.window.createWebviewPanel("netdsl.picture", "Picture", place), net };
      open.panel.onDidDispose(() => this.panels.delete(key));
      this.panels.set(key, open);
    }
    open.net = net;
    await this.update(editor.document);
  }

  // Draws the text as it is, saved or not. A text in a file can import the files beside it only from there.
  async update(document: vscode.TextDocument): Promise<void> {
    const open = this.panels.get(document.uri.toString());
    if (open === undefined) return;
    const { net, panel } = open;
    const isFile = document.uri.scheme === "file" && !document.isDirty;
    const name = isFile ? document.uri.fsPath : "-";
    const words = ["draw", "-o", "-", "--to", "svg", "--", net ? `${name}:${net}` : name];
    const done = await run(chosen(), words, folderOf(document), isFile ? undefined : document.getText());
    panel.title = net || "Picture";
    panel.webview.html = done.code === 0 ? pictureOf(done.out) : failureOf(done.errors);
  }
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("netdsl check");
  const pictures = new Pictures();
  const onText = (name: string, act: (editor: vscode.TextEditor) => Promise<void>) =>
    vscode.commands.registerCommand(name, async () => {
      const editor = vscode.window.activeTextEditor;
      if (editor?.document.languageId !== "netdsl") return;
      try {
        await act(editor);
      } catch (error) {
        await vscode.window.showErrorMessage(`netdsl: ${error instanceof Error ? error.message : error}`);
      }
    });
  context.subscriptions.push(
    output,
    onText("netdsl.check", (editor) => inOutput(output, editor)),
    onText("netdsl.draw", (editor) => pictures.show(editor)),
    onText("netdsl.train", async (editor) => {
      const file = await savedFile(editor);
      const net = file === undefined ? undefined : await pick(editor);
      if (file === undefined || net === undefined) return;
      inTerminal(`train ${net}`, ["train", net ? `${file}:${net}` : file], folderOf(editor.document));
    }),
    onText("netdsl.view", async (editor) => {
      const file = await savedFile(editor);
      if (file !== undefined) inTerminal("netdsl view", ["view", file], folderOf(editor.document));
    }),
    vscode.commands.registerCommand("netdsl.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidSaveTextDocument((document) => pictures.update(document)),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration("netdsl.command")) return;
      await stop();
      await start();
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await stop();
}
