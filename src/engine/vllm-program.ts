/**
 * What an installed vLLM is: its version and the flags of `vllm serve`. A new minor release comes about every two weeks and
 * renames flags, so the program itself is asked, once per binary (contract, first paragraph).
 */
import { statSync } from 'node:fs';
import { messageOf } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';
import { askProgram, findProgram } from './ask-program.js';
import type { Environment } from './engine-adapter.js';

export interface VllmProgram {
  /** `null` when it would not tell. */
  version: string | null;
  /** Every spelling that its help shows; `null` when it would not tell, and then nothing can be checked. */
  flags: ReadonlySet<string> | null;
  /** Why something is `null`; empty otherwise. */
  unknown: string;
}

/** Importing torch from a cold disk takes most of this. */
const timeLimitMs = 60_000;
const maxPrograms = 32;

export class VllmPrograms {
  readonly #clock: Clock;
  readonly #known = new Map<string, Promise<VllmProgram>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with `config-invalid` when the program is missing, may not be run, or prints without end. */
  async of(command: readonly string[], env: Environment): Promise<VllmProgram> {
    const path = findProgram(command[0] ?? '', env);
    const key = keyOf([path, ...command.slice(1)], env);
    const known = this.#known.get(key);
    if (known) return known;
    const asked = this.#ask([path, ...command.slice(1)], env);
    this.#known.set(key, asked);
    const oldest = [...this.#known.keys()][0];
    if (this.#known.size > maxPrograms && oldest !== undefined) this.#known.delete(oldest);
    // What was not learned is asked again at the next start.
    const forget = (): void => void this.#known.delete(key);
    asked.then((program) => program.unknown !== '' && forget(), forget);
    return asked;
  }

  async #ask(command: readonly string[], env: Environment): Promise<VllmProgram> {
    // It needs no GPU to tell its flags, and a sick one must not keep it from that.
    const ask = (...words: string[]) =>
      askProgram({
        argv: [...command, ...words],
        env: { ...env, CUDA_VISIBLE_DEVICES: '' },
        clock: this.#clock,
        timeLimitMs,
      });
    const [version, help] = await Promise.all([ask('--version'), ask('serve', '--help=all')]);
    const flags = help.kind === 'text' ? flagsOf(help.text) : null;
    return {
      version: version.kind === 'text' ? versionOf(version.text) : null,
      flags: flags !== null && flags.size > 0 ? flags : null,
      unknown: [version, help]
        .flatMap((answer) => (answer.kind === 'silent' ? [answer.reason] : []))
        .join('; '),
    };
  }
}

/** `0.26.0` out of whatever else is printed beside it, or `null`. */
export function versionOf(text: string): string | null {
  return /(?:^|[\sv])(\d+\.\d+(?:\.\w+)*(?:\+[\w.]+)?)/m.exec(text)?.[1] ?? null;
}

/** Flags of an argparse help: the lines that are indented a little and begin with a dash. */
export function flagsOf(help: string): Set<string> {
  const flags = new Set<string>();
  for (const line of help.split('\n'))
    if (/^ {1,8}-/.test(line))
      for (const [, name] of line.matchAll(/(?:^|[\s,])(--?[A-Za-z][\w-]*)/g)) if (name) flags.add(name);
  return flags;
}

/** A file that was replaced is another program; so is the same file with other variables. */
function keyOf(command: readonly string[], env: Environment): string {
  const files = command.map((word) => {
    const stat = statSync(word, { throwIfNoEntry: false });
    return stat?.isFile() ? `${word}@${stat.mtimeMs}:${stat.size}:${stat.ino}` : word;
  });
  return JSON.stringify([files, Object.entries(env).filter(([name]) => name !== 'CUDA_VISIBLE_DEVICES')]);
}

/** The vllm on the PATH; without one, nothing is known of it but the reason. */
export async function installedVllm(clock: Clock): Promise<VllmProgram> {
  try {
    return await new VllmPrograms(clock).of(['vllm'], process.env);
  } catch (error) {
    return { version: null, flags: null, unknown: messageOf(error) };
  }
}
