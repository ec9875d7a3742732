/**
 * Reads a stream of server-sent events as it passes: counts events, finds usage, finish reason, in-band errors and the
 * terminator. It survives any split of the bytes and never alters them. Most events are only counted: an event is
 * parsed as JSON when its bytes contain something worth reading. Inside a JSON string a quote is escaped, so that the
 * searched names cannot come from the generated text.
 */
export interface StreamUsage {
  promptTokens: number | null;
  completionTokens: number | null;
  cachedTokens: number | null;
}

export interface SseSummary {
  /** Events with data, the terminator excluded. */
  events: number;
  done: boolean;
  finishReason: string | null;
  usage: StreamUsage | null;
  /** The engine's own error event: its message and code. */
  error: { message: string; code: unknown } | null;
  /** A terminal event of the responses dialect (`response.completed` and its like). */
  terminal: boolean;
}

/** An event larger than this is passed on but not read. */
const maxEventBytes = 1024 * 1024;

/**
 * What makes an event worth parsing; the last are the terminal events of the responses dialect. One expression each, with
 * a literal start: that is what the engine of V8 searches fastest (5 us for 8 kB, half of what indexOf takes).
 */
const interesting = [
  /"finish_reason"\s*:\s*"/g,
  /"usage"\s*:\s*\{/g,
  /"error"\s*:\s*[{"]/g,
  /\[DONE\]/g,
  /"type"\s*:\s*"(?:response\.(?:completed|failed|incomplete)|error)"/g,
];

/**
 * Plain words, of which every match of those expressions contains one that `:null` does not follow. For who cannot read an
 * event, but can tell that nobody has to.
 */
export const wordsWorthReading = [
  '"finish_reason"',
  '"usage"',
  '"error"',
  '[DONE]',
  '"response.completed"',
  '"response.failed"',
  '"response.incomplete"',
] as const;

export class SseObserver {
  readonly summary: SseSummary = {
    events: 0,
    done: false,
    finishReason: null,
    usage: null,
    error: null,
    terminal: false,
  };
  /** Events that were too large to be read. */
  skipped = 0;
  #carry = '';
  #skipping = false;

  get betweenEvents(): boolean {
    return this.#carry === '' && !this.#skipping;
  }

  /**
   * Takes the next bytes as characters (latin1); returns how many of them, at the end, belong to an event that is not
   * complete yet. 0 means that the stream stands between two events.
   */
  push(chunk: string): number {
    const carried = this.#carry.length;
    const all = carried === 0 ? chunk : this.#carry + chunk;
    const end = lastBoundary(all, Math.max(0, carried - 3));
    if (end > 0) this.#read(end === all.length ? all : all.slice(0, end));
    const tail = all.length - end;
    this.#keep(tail === 0 ? '' : all.slice(end));
    return Math.min(tail, chunk.length);
  }

  /** Events with data that passed elsewhere, with nothing in them to read. */
  countPassed(events: number): void {
    this.summary.events += events;
  }

  #keep(rest: string): void {
    if (rest.length <= maxEventBytes) {
      this.#carry = rest;
      return;
    }
    // Only the last bytes stay, to recognise the boundary that ends the event.
    if (!this.#skipping) this.skipped += 1;
    this.#skipping = true;
    this.#carry = rest.slice(-4);
  }

  #read(text: string): void {
    let events = text;
    if (this.#skipping) {
      this.#skipping = false;
      const next = firstBoundary(text);
      events = next < 0 ? '' : text.slice(next);
    }
    // Carriage returns are legal and rare; the plain way serves them.
    if (events.includes('\r')) for (const event of events.split(/\r\n\r\n|\n\n|\r\r/)) this.#readEvent(event);
    else this.#readInteresting(events);
  }

  /** Counts all events and parses those few that hold something to read. */
  #readInteresting(events: string): void {
    this.summary.events += countData(events);
    for (const start of startsOfInteresting(events)) {
      const end = events.indexOf('\n\n', start);
      const event = events.slice(start, end < 0 ? events.length : end);
      if (dataOf(event) !== null) this.summary.events -= 1;
      this.#readEvent(event);
    }
  }

  #readEvent(event: string): void {
    const data = dataOf(event);
    if (data === null) return;
    if (data === '[DONE]') {
      this.summary.done = true;
      return;
    }
    this.summary.events += 1;
    if (startsOfInteresting(data).length > 0) this.#readObject(data);
  }

  #readObject(data: string): void {
    let object: Record<string, unknown>;
    try {
      object = JSON.parse(Buffer.from(data, 'latin1').toString('utf8')) as Record<string, unknown>;
    } catch {
      return;
    }
    if (typeof object !== 'object' || object === null) return;
    const { summary } = this;
    summary.usage = readUsage(object) ?? summary.usage;
    for (const choice of Array.isArray(object['choices'])
      ? (object['choices'] as Record<string, unknown>[])
      : [])
      if (typeof choice?.['finish_reason'] === 'string') summary.finishReason = choice['finish_reason'];
    if (object['error'] !== undefined && object['error'] !== null) summary.error = readError(object['error']);
    const type = object['type'];
    if (typeof type === 'string' && /^(response\.(completed|failed|incomplete)|error)$/.test(type)) {
      summary.terminal = true;
      if (type === 'error') summary.error ??= readError(object);
    }
  }
}

/** Where events begin that hold something to read; ascending, each once. */
function startsOfInteresting(events: string): number[] {
  const starts: number[] = [];
  for (const pattern of interesting) {
    pattern.lastIndex = 0;
    for (let match = pattern.exec(events); match !== null; match = pattern.exec(events)) {
      const before = events.lastIndexOf('\n\n', match.index);
      const start = before < 0 ? 0 : before + 2;
      if (!starts.includes(start)) starts.push(start);
      const end = events.indexOf('\n\n', match.index);
      if (end < 0) break;
      pattern.lastIndex = end;
    }
  }
  return starts.length > 1 ? starts.sort((a, b) => a - b) : starts;
}

/** Usage of a chat, completion or embedding object, or of the `response` member of the responses dialect. */
export function readUsage(object: Record<string, unknown>): StreamUsage | null {
  const nested = object['response'] as Record<string, unknown> | null | undefined;
  const usage = (object['usage'] ?? nested?.['usage']) as Record<string, unknown> | null | undefined;
  if (typeof usage !== 'object' || usage === null) return null;
  const details = (usage['prompt_tokens_details'] ?? usage['input_tokens_details']) as
    Record<string, unknown> | null | undefined;
  return {
    promptTokens: count(usage['prompt_tokens'] ?? usage['input_tokens']),
    completionTokens: count(usage['completion_tokens'] ?? usage['output_tokens']),
    cachedTokens: count(details?.['cached_tokens']),
  };
}

function readError(error: unknown): { message: string; code: unknown } {
  if (typeof error !== 'object' || error === null) return { message: String(error), code: null };
  const { message, code } = error as { message?: unknown; code?: unknown };
  return { message: typeof message === 'string' ? message : '', code };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** The event's data lines joined as the standard has it; `null` when it has none (a comment, a keep-alive). */
function dataOf(event: string): string | null {
  let data: string | null = null;
  for (const line of event.split(/\r\n|\n|\r/)) {
    if (!line.startsWith('data:')) continue;
    const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
    data = data === null ? value : `${data}\n${value}`;
  }
  return data;
}

/** Events with data in a text of line feeds only. */
function countData(text: string): number {
  let events = 0;
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('\n\n', at);
    const end = next < 0 ? text.length : next;
    if (text.startsWith('data:', at) || text.slice(at, end).includes('\ndata:')) events += 1;
    at = end + 2;
  }
  return events;
}

const boundaries = ['\n\n', '\r\n\r\n', '\r\r'];

/** Index after the last blank line at or after `from`; 0 when there is none. */
function lastBoundary(text: string, from: number): number {
  if (text.endsWith('\n\n')) return text.length;
  let end = 0;
  for (const separator of boundaries) {
    const at = text.lastIndexOf(separator);
    if (at >= from && at + separator.length > end) end = at + separator.length;
  }
  return end;
}

function firstBoundary(text: string): number {
  const match = /\r\n\r\n|\n\n|\r\r/.exec(text);
  return match === null ? -1 : match.index + match[0].length;
}
