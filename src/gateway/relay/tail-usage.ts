import { readUsage, type StreamUsage } from './sse-observer.js';

/** Engines write `usage` near the end of an answer; this much of it is enough, however large the answer is. */
const tailBytes = 8 * 1024;

/** Keeps the end of a JSON answer that is relayed, to read its usage without parsing all of it. */
export class TailUsage {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk.length > tailBytes ? chunk.subarray(-tailBytes) : chunk));
    this.#bytes += chunk.length;
    while (this.#chunks.length > 1 && this.#bytes - (this.#chunks[0]?.length ?? 0) >= tailBytes)
      this.#bytes -= this.#chunks.shift()?.length ?? 0;
  }

  read(): StreamUsage | null {
    const text =
      (this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks))?.toString('latin1') ?? '';
    // Inside a string the quotes would be escaped, so this is the member itself.
    const at = text.search(/"usage":\s*\{/);
    if (at < 0) return null;
    const start = text.indexOf('{', at);
    try {
      return readUsage({ usage: JSON.parse(text.slice(start, endOfObject(text, start))) as unknown });
    } catch {
      return null;
    }
  }
}

/** Index after the brace that closes the object at `start`. Usage holds numbers only: no strings to mind. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '{') depth += 1;
    else if (text[i] === '}' && --depth === 0) return i + 1;
  }
  return text.length;
}
