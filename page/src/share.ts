// A text in the fragment of the page's address. A browser does not send the fragment to a server.

const MOST = 200_000; // characters of a shared text
const HEAD = "#text=";

export async function addressOf(text: string, net: string | null): Promise<string> {
  const packed = await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  const letters = btoa(String.fromCharCode(...packed));
  const code = letters.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const address = new URL(location.href);
  address.hash = `${HEAD.slice(1)}${code}${net ? `&net=${encodeURIComponent(net)}` : ""}`;
  return address.href;
}

// The text and the net of a fragment; null if it has none, or is damaged.
export async function textIn(fragment: string): Promise<{ text: string; net: string | null } | null> {
  if (!fragment.startsWith(HEAD)) return null;
  const [code = "", net] = fragment.slice(HEAD.length).split("&net=");
  try {
    const letters = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
    const packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const bytes = await through(packed, new DecompressionStream("deflate-raw"));
    return {
      text: new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      net: net === undefined ? null : decodeURIComponent(net),
    };
  } catch {
    return null;
  }
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST) throw new Error("the text is too long");
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
