/**
 * A look at raw JSON bytes without building a tree: how deep it nests, and where the value of the top-level `model`
 * member lies. It runs before `JSON.parse` (16 MiB of `[` would cost half a gigabyte of arrays) and is what allows an
 * alias to be replaced without touching any other byte: big integers, duplicate members and -0 survive. It does not
 * validate; on text that is no JSON it returns something harmless and `JSON.parse` refuses afterwards.
 */
export interface JsonScan {
  /** Deepest nesting seen; scanning stops one level beyond the limit. */
  depth: number;
  /** Byte range of the value of the last top-level `model` member (the one that counts), quotes included. */
  model: { start: number; end: number } | null;
}

const quote = 0x22;
const backslash = 0x5c;

export function scanJson(body: Buffer, maxDepth: number): JsonScan {
  let depth = 0;
  let deepest = 0;
  let keyIsNext = false;
  let model: JsonScan['model'] = null;
  for (let i = 0; i < body.length; i++) {
    switch (body[i]) {
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > deepest) deepest = depth;
        if (deepest > maxDepth) return { depth: deepest, model };
        keyIsNext = depth === 1 && body[i] === 0x7b;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case 0x2c: // ,
        keyIsNext = depth === 1;
        break;
      case quote: {
        const end = endOfString(body, i);
        if (depth === 1 && keyIsNext && isModel(body, i, end)) model = valueAfter(body, end) ?? model;
        keyIsNext = false;
        i = end - 1;
        break;
      }
    }
  }
  return { depth: deepest, model };
}

/** Replaces the bytes of the model name and nothing else. */
export function spliceModel(
  body: Buffer,
  { start, end }: { start: number; end: number },
  name: string,
): Buffer {
  return Buffer.concat([body.subarray(0, start), Buffer.from(JSON.stringify(name)), body.subarray(end)]);
}

/** Index after the closing quote. A short walk first: most strings are names, and a native search costs more there. */
function endOfString(body: Buffer, start: number): number {
  const near = Math.min(body.length, start + 24);
  for (let i = start + 1; i < near; i++) {
    if (body[i] === backslash) i += 1;
    else if (body[i] === quote) return i + 1;
  }
  for (let from = start + 1; ;) {
    const end = body.indexOf(quote, from);
    if (end < 0) return body.length;
    let slashes = 0;
    while (body[end - 1 - slashes] === backslash) slashes += 1;
    if (slashes % 2 === 0) return end + 1;
    from = end + 1;
  }
}

function isModel(body: Buffer, start: number, end: number): boolean {
  const raw = body.toString('latin1', start + 1, Math.min(end - 1, start + 40));
  if (raw === 'model') return true;
  if (!raw.includes('\\')) return false;
  try {
    return JSON.parse(`"${raw}"`) === 'model';
  } catch {
    return false;
  }
}

function valueAfter(body: Buffer, keyEnd: number): JsonScan['model'] {
  let i = skipSpace(body, keyEnd);
  if (body[i] !== 0x3a) return null;
  i = skipSpace(body, i + 1);
  return body[i] === quote ? { start: i, end: endOfString(body, i) } : null;
}

function skipSpace(body: Buffer, from: number): number {
  let i = from;
  while (body[i] === 0x20 || body[i] === 0x0a || body[i] === 0x0d || body[i] === 0x09) i += 1;
  return i;
}
