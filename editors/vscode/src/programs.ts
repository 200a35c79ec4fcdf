// How the program is called, and what its answers mean. Nothing here needs the editor.

import { execFile } from "node:child_process";

export interface Program {
  file: string;
  before: string[]; // arguments that come first, such as those of `python -m netdsl`
}

export interface Net {
  name: string;
  first: number; // lines, counted from 0
  last: number;
}

// The program of the setting `netdsl.command`. Each part is an argument of its own: no shell reads them.
export function program(setting: unknown): Program {
  const words = Array.isArray(setting) ? setting.filter((word) => typeof word === "string" && word) : [];
  const [file = "netdsl", ...before] = words as string[];
  return { file, before };
}

// The net in which a line is comes first, so that it is what one picks without reading.
export function inOrder(nets: Net[], line: number): Net[] {
  const here = nets.filter((net) => net.first <= line && line <= net.last);
  return [...here, ...nets.filter((net) => !here.includes(net))];
}

export interface Done {
  code: number;
  out: string;
  errors: string;
}

// Runs the program, and gives it a text on standard input if there is one.
export function run(made: Program, args: string[], folder: string | undefined, text?: string): Promise<Done> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, maxBuffer: 64_000_000, windowsHide: true };
    const child = execFile(made.file, [...made.before, ...args], options, (error, out, errors) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
    if (text !== undefined) child.stdin?.end(text);
  });
}

// The page that shows a picture. A picture is data of a `.net` file, so nothing in it may run.
export function pictureOf(svg: string): string {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
  const data = Buffer.from(svg, "utf8").toString("base64");
  return `<!DOCTYPE html><html><head><meta http-equiv="Content-Security-Policy" content="${policy}">
<style>body { background: white; text-align: center; margin: 1em } img { max-width: 100% }</style></head>
<body><img alt="the picture of the net" src="data:image/svg+xml;base64,${data}"></body></html>`;
}

// The page that shows why there is no picture.
export function failureOf(message: string): string {
  const text = message.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const policy = "default-src 'none'; style-src 'unsafe-inline'";
  return `<!DOCTYPE html><html><head><meta http-equiv="Content-Security-Policy" content="${policy}"></head>
<body><pre>${text}</pre></body></html>`;
}
