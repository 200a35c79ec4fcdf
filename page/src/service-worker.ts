// Keeps the files of the page, so that it works without a network after the first visit.

declare const FILES: string[]; // written by the build
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const NAME = `netdsl-${VERSION}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)).then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => names.filter((n) => n.startsWith("netdsl-") && n !== NAME));
  event.waitUntil(
    old.then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => worker.clients.claim()),
  );
});

worker.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== worker.location.origin) return;
  event.respondWith(answer(event.request, address));
});

// What trains nets is large, and is kept when it is first used.
async function answer(request: Request, address: URL): Promise<Response> {
  const kept = await caches.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const found = await fetch(request);
  if (found.ok && /\/training[-/][^?]*$/.test(address.pathname)) {
    const cache = await caches.open(NAME);
    await cache.put(request, found.clone());
  }
  return found;
}
