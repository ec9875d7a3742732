/**
 * A start as vLLM's log tells it: which phase, how far, what the engine found out about its memory and its CUDA graphs.
 * Texts are those of contract 5.3 and 6; file names and line numbers in the log change all the time and are not looked at.
 * Pure: fed with pieces of the log in order, with whatever chunk borders.
 */
import { startPhases, type CudaGraphs, type StartPhase, type StartProgress } from '../domain/engine.js';

/** A line longer than this is no line of a start; the rest of it is passed over. */
const maxLineLength = 16 * 1024;

const phaseTexts: readonly (readonly [StartPhase, RegExp])[] = [
  ['arguments', /vLLM (API )?server version|non-default args:/],
  ['init', /Initializing a V\d LLM engine|world_size=\d+ .*backend=|Using .*[Aa]ttention.* backend/],
  [
    'weights',
    /Starting to load model|Loading model from scratch|Time spent downloading weights|Loading safetensors checkpoint shards/,
  ],
  [
    'compile',
    /for vLLM's torch\.compile|Dynamo bytecode transform time|Compiling a graph for|load the compiled graph/,
  ],
  ['profiling', /torch\.compile took|Initial profiling\/warmup run took/],
  ['kv-cache', /Available KV cache memory|GPU KV cache size|Estimated CUDA graph memory/],
  ['graphs', /Capturing (the model for )?CUDA graph|Skipping CUDA graph capture/i],
  ['warm-up', /Graph capturing finished|init engine \(profile, create kv cache, warmup model\) took/],
  ['serving', /Starting vLLM (API )?server on|Application startup complete/],
];

const shards = /checkpoint shards:.*?(\d+)\/(\d+)/;
const capturing = /Capturing CUDA graphs? ?(?:shapes)?\s*(?:\(([^)]*)\))?.*?(\d+)\/(\d+)/;
const captured = /Graph capturing finished in ([\d.]+) secs?, took (-?[\d.]+) GiB/;
const eager =
  /Enforce eager set|[Cc]udagraph is disabled under eager mode|Skipping CUDA graph capture|Overriding (?:cudagraph_mode )?to NONE|cudagraph_mode=(?:CUDAGraphMode\.)?NONE\b/;
const lowered = /setting cudagraph_mode=(?:CUDAGraphMode\.)?(\w+)|Truncating max_cudagraph_capture_size.*/;
const gibibyte = 1024 ** 3;

export class StartLog {
  progress: StartProgress = { phase: 'launch', done: null, total: null, part: '' };
  /** What it said about KV memory and size. */
  kvCacheTokens: number | null = null;
  weightBytes: number | null = null;
  #rest = '';
  #sawArguments = false;
  /** Sizes captured so far, by kind of capture. */
  readonly #captures = new Map<string, number>();
  #finished: { seconds: number; memoryBytes: number } | null = null;
  #eagerReason: string | null = null;
  #lowered: string | null = null;

  /** True when the start went forward. */
  feed(text: string): boolean {
    const lines = (this.#rest + text).split(/[\r\n]+/);
    this.#rest = (lines.pop() ?? '').slice(-maxLineLength);
    let forward = false;
    for (const line of lines) if (this.#read(line.slice(0, maxLineLength))) forward = true;
    return forward;
  }

  /** True once it has said anything that only vLLM says. */
  get isVllm(): boolean {
    return this.progress.phase !== 'launch';
  }

  /** Its beginning was not there any more when it was read. */
  get isPartial(): boolean {
    return !this.#sawArguments;
  }

  /** What became of the graphs; `null` while it is open. */
  get graphs(): Omit<CudaGraphs, 'degradeStep'> | null {
    const count = [...this.#captures.values()].reduce((sum, value) => sum + value, 0);
    const mode = this.#lowered ?? [...this.#captures.keys()].filter(Boolean).join(' + ');
    if (this.#finished) return { state: 'captured', count, ...this.#finished, mode, reason: '' };
    if (this.#eagerReason === null) return null;
    return { state: 'eager', count: 0, seconds: 0, memoryBytes: 0, mode: 'NONE', reason: this.#eagerReason };
  }

  #read(line: string): boolean {
    this.#readFacts(line);
    const phase = phaseTexts.findLast(([, text]) => text.test(line))?.[0];
    if (phase === undefined) return false;
    if (phase === 'arguments') this.#sawArguments = true;
    const behind = startPhases.indexOf(phase) - startPhases.indexOf(this.progress.phase);
    if (behind < 0) return false;
    const counted =
      phase === 'weights' ? countOf(shards, line) : phase === 'graphs' ? countOf(capturing, line) : null;
    if (behind > 0) {
      this.progress = { phase, done: null, total: null, part: '', ...counted };
      return true;
    }
    return counted !== null && this.#countUp(counted);
  }

  /** Several workers draw bars of their own: only what goes on counts. */
  #countUp({ part, done, total }: Counted): boolean {
    const { progress } = this;
    if (progress.part === part && done <= (progress.done ?? -1)) return false;
    if (progress.part !== part && this.#captures.get(part) === total) return false;
    this.progress = { phase: progress.phase, part, done, total };
    return true;
  }

  #readFacts(line: string): void {
    const capture = countOf(capturing, line);
    if (capture)
      this.#captures.set(capture.part, Math.max(capture.done, this.#captures.get(capture.part) ?? 0));
    const end = captured.exec(line);
    if (end) this.#finished = { seconds: Number(end[1]), memoryBytes: Number(end[2]) * gibibyte };
    if (eager.test(line)) this.#eagerReason ??= textOf(line);
    const lower = lowered.exec(line);
    if (lower) this.#lowered = lower[1] ?? lower[0];
    this.kvCacheTokens = numberOf(/GPU KV cache size: ([\d,]+) tokens/, line) ?? this.kvCacheTokens;
    const weights = numberOf(/Model loading took ([\d.]+) GiB/, line);
    if (weights !== null) this.weightBytes = weights * gibibyte;
  }
}

interface Counted {
  part: string;
  done: number;
  total: number;
}

function countOf(pattern: RegExp, line: string): Counted | null {
  const match = pattern.exec(line);
  if (!match) return null;
  const [done, total] = [match.at(-2), match.at(-1)].map(Number) as [number, number];
  return { part: (match.length > 3 && match[1]) || '', done, total };
}

function numberOf(pattern: RegExp, line: string): number | null {
  const text = pattern.exec(line)?.[1];
  return text === undefined ? null : Number(text.replaceAll(',', ''));
}

/** Without speaker, level, time and place. */
function textOf(line: string): string {
  return line
    .replace(/^(\([\w .=:-]+\)\s*)?(\w+\s+[\d-]+ [\d:]+ \[[^\]]*\]\s?)?/, '')
    .trim()
    .slice(0, 200);
}

/** `loading: weights 2/4`, `loading: graphs 23/51 (decode, FULL)`. */
export function describeProgress({ phase, done, total, part }: StartProgress): string {
  const count = done === null ? '' : ` ${done}/${total}`;
  return `loading: ${phase}${count}${part === '' ? '' : ` (${part})`}`;
}

/** The engine knows how much memory it has: others may measure theirs. */
export function isMeasured({ phase }: StartProgress): boolean {
  return startPhases.indexOf(phase) > startPhases.indexOf('kv-cache');
}
