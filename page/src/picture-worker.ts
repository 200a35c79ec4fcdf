// Lays out pictures with Graphviz, away from the page's own thread.

import { instance } from "@viz-js/viz";

const viz = instance();

self.addEventListener("message", async (event: MessageEvent<{ id: number; dot: string }>) => {
  const { id, dot } = event.data;
  const result = (await viz).render(dot, { format: "svg" });
  if (result.status === "success") self.postMessage({ id, svg: result.output });
  else self.postMessage({ id, error: result.errors.map((e) => e.message).join("\n") });
});
