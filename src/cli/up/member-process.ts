import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InfernodeError } from '../../domain/error-codes.js';
import { backoffMs } from '../../runtime/backoff.js';

const mainFile = fileURLToPath(new URL('../../main.js', import.meta.url));

/** Argument vector that runs this same program. */
export const selfCommand = (): string[] => [process.execPath, mainFile];

export type Listening = Record<'control' | 'probe' | 'metrics' | 'gateway', string>;

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 40_000;
const maxRestartsInARow = 5;

/**
 * One agent or coordinator of `up`. Its standard input is a pipe that only this process holds: when it closes, for
 * whatever reason (`kill -9` too), the member ends and takes its engines along. It is restarted when it dies.
 */
export class MemberProcess {
  #child: ChildProcess | null = null;
  #stopping = false;
  #failures = 0;

  constructor(
    readonly name: string,
    private readonly args: readonly string[],
    private readonly logFile: string,
    private readonly onNews: (line: string) => void,
  ) {}

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Resolves with the addresses once the member listens. */
  start(): Promise<Listening> {
    const [program = '', ...leading] = selfCommand();
    const log = openSync(this.logFile, 'a', 0o600);
    const child = spawn(program, [...leading, ...this.args, '--ready-json', '--with-parent'], {
      stdio: ['pipe', 'pipe', log],
      // A Ctrl-C in the terminal is for `up`, which then stops its members in order.
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    child.stdin?.on('error', () => undefined);
    child.once('exit', (code, signal) => this.#ended(code, signal));
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new InfernodeError('internal', `${this.name} ${why}\n${this.#logTail()}`));
      const timer = setTimeout(() => fail(`was not ready within ${readyTimeoutMs / 1000} s`), readyTimeoutMs);
      child.once('error', (error) => fail(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended with ${signal ?? `code ${code}`} before it was ready`);
      });
      if (child.stdout)
        createInterface({ input: child.stdout }).once('line', (line) => {
          clearTimeout(timer);
          this.#failures = 0;
          resolve((JSON.parse(line) as { listening: Listening }).listening);
        });
    });
  }

  /** Ends the member and, with an agent, its engines; killed when it does not end in time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.onNews(`${this.name} did not stop within ${stopTimeoutMs / 1000} s and is killed`);
        child.kill('SIGKILL');
      }, stopTimeoutMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.stdin?.end();
    });
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return;
    this.#failures += 1;
    const how = signal ?? `code ${code}`;
    if (this.#failures > maxRestartsInARow) {
      this.onNews(
        `${this.name} ended with ${how} ${this.#failures} times in a row and stays down; see ${this.logFile}`,
      );
      return;
    }
    this.onNews(`${this.name} ended with ${how}; starting it again`);
    const delayMs = backoffMs(this.#failures - 1, { baseMs: 100, capMs: 5000, jitterRatio: 0.1 });
    setTimeout(() => {
      if (!this.#stopping) this.start().catch((error: unknown) => this.onNews(String(error)));
    }, delayMs);
  }

  #logTail(): string {
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n');
    // What a member says in plain words tells why it ended; its JSON lines only count when there are no such words.
    const words = lines.filter((line) => !line.startsWith('{'));
    return [...(words.length > 0 ? words : lines).slice(-8), `see ${this.logFile}`].join('\n');
  }
}
