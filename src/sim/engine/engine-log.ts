import { isAtLeast } from './vllm-version.js';

export type Level = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

/** Who speaks: the API server, the engine core, or worker `n`. */
export type Speaker = 'api' | 'core' | number;

/**
 * vLLM's log: `(EngineCore pid=12) INFO 08-06 12:34:56 [core.py:81] text` on stdout, uvicorn's own lines without that
 * prefix, progress bars on stderr. Only the text is a contract; file names and line numbers are decoration.
 */
export class EngineLog {
  readonly #pids = new Map<Speaker, number>();

  constructor(private readonly version: string) {
    this.#pids.set('api', process.pid);
    // A supervisor may close our output at any time; that must not end the engine.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  setPid(speaker: Speaker, pid: number): void {
    this.#pids.set(speaker, pid);
  }

  write(speaker: Speaker, level: Level, where: string, text: string): void {
    const prefix = this.#prefix(speaker);
    const lines = text.split('\n').map((line) => `${prefix}${level} ${stamp(new Date())} [${where}] ${line}`);
    process.stdout.write(lines.join('\n') + '\n');
  }

  info(speaker: Speaker, where: string, text: string): void {
    this.write(speaker, 'INFO', where, text);
  }

  error(speaker: Speaker, where: string, text: string): void {
    this.write(speaker, 'ERROR', where, text);
  }

  /** uvicorn: the level padded to ten columns, no date. */
  uvicorn(text: string): void {
    process.stdout.write(`${this.#prefix('api')}INFO:     ${text}\n`);
  }

  /** A bar as tqdm draws it: on stderr, each state behind a carriage return. */
  progress(speaker: Speaker, label: string, done: number, total: number): void {
    const percent = `${Math.floor((100 * done) / total)}`.padStart(3);
    const bar = '█'.repeat(Math.floor((10 * done) / total)).padEnd(10);
    const text = label.endsWith('shards')
      ? `${label}: ${percent}% Completed | ${done}/${total}`
      : `${label}: ${percent}%|${bar}| ${done}/${total}`;
    process.stderr.write(`\r${this.#prefix(speaker)}${text}${done === total ? '\n' : ''}`);
  }

  stderr(text: string): void {
    process.stderr.write(text);
  }

  speakerName(speaker: Speaker): string {
    const modern = isAtLeast(this.version, '0.12');
    if (speaker === 'api') return 'APIServer';
    if (speaker === 'core') return modern ? 'EngineCore' : 'EngineCore_DP0';
    return modern ? `Worker_TP${speaker}` : `VllmWorker TP${speaker}`;
  }

  #prefix(speaker: Speaker): string {
    return `(${this.speakerName(speaker)} pid=${this.#pids.get(speaker) ?? process.pid}) `;
  }
}

function stamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
