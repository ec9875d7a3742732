/**
 * A process that may never come back from the driver, and never holds up the agent: its output is bounded, its pipes and its
 * handle do not keep the agent alive, and when SIGKILL cannot end it (it sits in an uninterruptible call) it is abandoned.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { messageOf } from '../domain/error-codes.js';
import { nativePath } from '../native/native-paths.js';
import type { Clock } from '../runtime/clock.js';

export interface ProbeChildOptions {
  args: readonly string[];
  clock: Clock;
  env?: NodeJS.ProcessEnv;
  onLine(line: string): void;
  /** Once. `abandoned`: it was killed and has not ended. */
  onEnd(end: { reason: string; status: number | null; abandoned: boolean }): void;
}

/** Longest line that is read; a longer one ends the child. */
const maxLineLength = 64 * 1024;
/** SIGKILL to the end of a process that can end. */
export const killGraceMs = 2000;

export class ProbeChild {
  readonly #options: ProbeChildOptions;
  readonly #child: ChildProcess;
  #rest = '';
  #ended = false;
  #killedFor: string | null = null;

  /** Throws when the probe has not been built. */
  constructor(options: ProbeChildOptions) {
    this.#options = options;
    this.#child = spawn(nativePath('infernode-probe'), options.args, {
      // Standard input is held open and never written to: the child ends with it, and so with the agent.
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: options.env ?? process.env,
    });
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout]) {
      stream?.on('error', () => undefined); // EPIPE and ECONNRESET: `close` tells the story.
      (stream as unknown as { unref?: () => void } | null)?.unref?.();
    }
    this.#child.stdout?.setEncoding('utf8');
    this.#child.stdout?.on('data', (text: string) => this.#read(text));
    this.#child.once('error', (error) => this.#end(`could not be started: ${messageOf(error)}`, null));
    // `close`, not `exit`: the last line may still be in the pipe.
    this.#child.once('close', (code, signal) =>
      this.#end(this.#killedFor ?? (signal ? `signal ${signal}` : `exit code ${code}`), code),
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Idempotent. `onEnd` comes within `killGraceMs`, whatever the process does. */
  kill(reason: string): void {
    if (this.#ended || this.#killedFor !== null) return;
    this.#killedFor = reason;
    this.#child.kill('SIGKILL');
    this.#options.clock.after(killGraceMs, () => this.#end(reason, null, true));
  }

  #read(text: string): void {
    if (this.#ended) return;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#options.onLine(line);
    if (this.#rest.length > maxLineLength) this.kill('it wrote a line that does not end');
  }

  #end(reason: string, status: number | null, abandoned = false): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const stream of [this.#child.stdin, this.#child.stdout]) stream?.destroy();
    this.#options.onEnd({ reason, status, abandoned });
  }
}
