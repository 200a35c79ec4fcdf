// Runs netdsl in Python in WebAssembly, and answers the requests of the page one after another.

import { loadPyodide } from "pyodide";
import type { Reply, Request } from "./protocol";

const post = (reply: Reply) => self.postMessage(reply);

const started = start();

// Returns a function of Python that takes the name of a method and its arguments as JSON.
async function start(): Promise<(method: string, args: string) => string> {
  const base = new URL(".", self.location.href).href;
  const [python, code] = await Promise.all([
    loadPyodide({ indexURL: `${base}pyodide/` }),
    fetch(`${base}netdsl.pack`).then((answer) => answer.arrayBuffer()),
  ]);
  post({ id: 0, progress: "Starting the compiler" });
  python.unpackArchive(code, "gztar", { extractDir: "/netdsl" });
  python.runPython("import sys; sys.path.insert(0, '/netdsl')");
  return python.runPython(`
import json
from netdsl.errors import NetdslError
from netdsl.page.desk import Desk
desk = Desk()
def ask(method, args):
    try:
        return json.dumps({"value": getattr(desk, method)(*json.loads(args))})
    except NetdslError as error:
        return json.dumps({"error": str(error)})
ask
`) as (method: string, args: string) => string;
}

self.addEventListener("message", async (event: MessageEvent<Request>) => {
  const { id, method, args } = event.data;
  try {
    const ask = await started;
    post({ id, ...JSON.parse(ask(method, JSON.stringify(args))) });
  } catch (error) {
    post({ id, error: String(error instanceof Error ? error.message : error) });
  }
});
