/**
 * A look at raw JSON bytes without building a tree: how deep it nests, and where the values of a few top-level members lie.
 * It runs before `JSON.parse` (16 MiB of `[` would cost half a gigabyte of arrays) and is what allows an alias or a limit
 * to be replaced without touching any other byte: big integers, duplicate members and -0 survive. It does not validate; on
 * text that is no JSON it returns something harmless and `JSON.parse` refuses afterwards.
 */
export interface JsonScan {
  /** Deepest nesting seen; scanning stops one level beyond the limit. */
  depth: number;
  /** Byte range of the value of the last top-level `model` member (the one that counts), quotes included. */
  model: ByteRange | null;
  /** Byte ranges of the values of members that limit how much is generated, every occurrence. */
  limits: { name: string; value: ByteRange }[];
  /** Index after the brace that opens the object. */
  start: number;
}

export interface ByteRange {
  start: number;
  end: number;
}

/** How the dialects name the most tokens to generate. */
const limitNames = new Set(['max_tokens', 'max_completion_tokens', 'max_output_tokens']);

const quote = 0x22;
const backslash = 0x5c;

export function scanJson(body: Buffer, maxDepth: number): JsonScan {
  let depth = 0;
  let deepest = 0;
  let keyIsNext = false;
  const scan: JsonScan = { depth: 0, model: null, limits: [], start: 0 };
  for (let i = 0; i < body.length; i++) {
    switch (body[i]) {
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > deepest) deepest = depth;
        if (deepest > maxDepth) return { ...scan, depth: deepest };
        if (depth === 1 && scan.start === 0) scan.start = i + 1;
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
        if (depth === 1 && keyIsNext) noteMember(scan, body, i, end);
        keyIsNext = false;
        i = end - 1;
        break;
      }
    }
  }
  return { ...scan, depth: deepest };
}

/** Puts `text` in the place of the range and changes nothing else. */
export function splice(body: Buffer, { start, end }: ByteRange, text: string): Buffer {
  return Buffer.concat([body.subarray(0, start), Buffer.from(text), body.subarray(end)]);
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

function noteMember(scan: JsonScan, body: Buffer, start: number, end: number): void {
  const name = nameOf(body, start, end);
  if (name === 'model') scan.model = valueAfter(body, end, true) ?? scan.model;
  else if (limitNames.has(name)) {
    const value = valueAfter(body, end, false);
    if (value !== null) scan.limits.push({ name, value });
  }
}

function nameOf(body: Buffer, start: number, end: number): string {
  const raw = body.toString('latin1', start + 1, Math.min(end - 1, start + 140));
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return '';
  }
}

/** A string, or a scalar: up to the comma, brace or space behind it. */
function valueAfter(body: Buffer, keyEnd: number, wantsString: boolean): ByteRange | null {
  let i = skipSpace(body, keyEnd);
  if (body[i] !== 0x3a) return null;
  i = skipSpace(body, i + 1);
  if (body[i] === quote) return wantsString ? { start: i, end: endOfString(body, i) } : null;
  if (wantsString) return null;
  let end = i;
  while (end < body.length && !scalarEnds.has(body[end] as number)) end += 1;
  return { start: i, end };
}

/** , } ] and white space */
const scalarEnds = new Set([0x2c, 0x7d, 0x5d, 0x20, 0x0a, 0x0d, 0x09]);

function skipSpace(body: Buffer, from: number): number {
  let i = from;
  while (body[i] === 0x20 || body[i] === 0x0a || body[i] === 0x0d || body[i] === 0x09) i += 1;
  return i;
}
