/** Draws frames on a terminal until `q` or Ctrl-C; where there is no terminal, prints them one below the other. */
import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  input: Readable & { isTTY?: boolean; setRawMode?: (on: boolean) => unknown };
  output: Writable & { isTTY?: boolean; columns?: number; rows?: number };
}

export interface TopScreenOptions {
  terminal: Terminal;
  /** One picture; must not throw. */
  frame: () => Promise<readonly string[]>;
  intervalMs: number;
  /** Frames after which it ends by itself; `null`: never. */
  count: number | null;
}

const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';
const toTop = '\x1b[H';
const clearLine = '\x1b[K';
const clearBelow = '\x1b[J';
const quitKeys = new Set(['q', 'Q', '\x03', '\x1b']);

/** Resolves when somebody quits, the reader is gone, or `count` frames are out; the terminal is then as it was. */
export async function runTopScreen({ terminal, frame, intervalMs, count }: TopScreenOptions): Promise<void> {
  const { input, output } = terminal;
  const isScreen = output.isTTY === true && input.isTTY === true;
  const stop = new AbortController();
  const onKey = (data: Buffer): void => {
    if (quitKeys.has(data.toString())) stop.abort();
  };
  const end = (): void => stop.abort();
  output.once('error', end);
  process.once('SIGINT', end).once('SIGTERM', end);
  if (isScreen) {
    output.write(enter);
    input.setRawMode?.(true);
    input.on('data', onKey).once('end', end).resume();
  }
  try {
    for (let shown = 1; !stop.signal.aborted; shown += 1) {
      const lines = await frame();
      if (stop.signal.aborted) break;
      output.write(isScreen ? screenful(lines, output) : `${lines.join('\n')}\n\n`);
      if (count !== null && shown >= count) break;
      await pause(intervalMs, stop.signal);
    }
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    output.off('error', end);
    if (isScreen) {
      input.off('data', onKey).off('end', end).pause();
      input.setRawMode?.(false);
      output.write(leave);
    }
  }
}

/** Cut to the terminal, overwritten in place so that it does not flicker. */
function screenful(lines: readonly string[], { columns = 80, rows = 24 }: Terminal['output']): string {
  const fits = lines.length < rows;
  const shown = fits ? lines : [...lines.slice(0, rows - 2), `... ${lines.length - rows + 2} more lines`];
  const body = [...shown, 'q to quit'].map((line) => `${line.slice(0, columns)}${clearLine}`);
  return `${toTop}${body.join('\r\n')}${clearBelow}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
