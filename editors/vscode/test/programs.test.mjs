// The extension's own functions, with the real program: `npm test` needs the Python that netdsl runs in.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = mkdtempSync(join(tmpdir(), "netdsl-"));
after(() => rmSync(folder, { recursive: true }));
const outfile = join(folder, "programs.mjs");
await build({ entryPoints: ["src/programs.ts"], outfile, bundle: true, platform: "node", format: "esm" });
const { failureOf, inOrder, pictureOf, program, run } = await import(pathToFileURL(outfile).href);

const netdsl = program([process.env.PYTHON ?? "python3", "-m", "netdsl"]);
const DRAW = ["draw", "-o", "-", "--to", "svg", "--", "-:A"];
const NET = "net A {\n    input x: 3x8x8\n    output y: conv(4, 3)\n}\n";

test("the setting is a program with its first arguments, and no shell reads them", () => {
  assert.deepEqual(program(["python", "-m", "netdsl"]), { file: "python", before: ["-m", "netdsl"] });
  assert.deepEqual(program("rm -rf"), { file: "netdsl", before: [] });
  assert.deepEqual(program([]), { file: "netdsl", before: [] });
});

test("the net of the line comes first", () => {
  const nets = [
    { name: "A", first: 0, last: 3 },
    { name: "B", first: 5, last: 9 },
  ];
  assert.deepEqual(inOrder(nets, 6).map((net) => net.name), ["B", "A"]);
  assert.deepEqual(inOrder(nets, 4).map((net) => net.name), ["A", "B"]);
});

test("a text that is not saved is drawn", async () => {
  const done = await run(netdsl, DRAW, folder, NET);
  assert.equal(done.code, 0, done.errors);
  assert.match(done.out, /<svg/);
  const page = pictureOf(done.out);
  assert.match(page, /default-src 'none'/);
  assert.ok(page.includes(Buffer.from(done.out).toString("base64")));
});

test("an error of the text is told, and shown as text", async () => {
  const done = await run(netdsl, DRAW, folder, NET.replace("conv", "<b>"));
  assert.equal(done.code, 1);
  assert.doesNotMatch(failureOf(done.errors), /<b>/);
});

test("a program that is not there is an error", async () => {
  await assert.rejects(run(program(["no-such-program"]), ["check"], folder), /ENOENT/);
});
