// Bundles the extension into dist/extension.js: `npm ci && npm run build`.

import { build } from "esbuild";
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  bundle: true,
  minify: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  legalComments: "none",
  logLevel: "warning",
});

// The licences of the packages in the bundle, for whoever gets the extension.
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const parts = [];
for (const [path, item] of Object.entries(lock.packages)) {
  if (!path || item.dev || !existsSync(path)) continue;
  const name = readdirSync(path).find((file) => /^licen[cs]e/i.test(file));
  const text = name ? readFileSync(join(path, name), "utf8").trim() : "";
  parts.push(`${path.replace(/^node_modules\//, "")} ${item.version}: ${item.license ?? "see its page"}\n\n${text}`);
}
writeFileSync("dist/licences.txt", `${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`);
copyFileSync("../../LICENSE", "LICENSE.txt");
console.log(`dist/extension.js: ${statSync("dist/extension.js").size.toLocaleString("en")} bytes`);
