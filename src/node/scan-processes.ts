/** Processes in uninterruptible sleep, from one look at /proc to the next. */
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockedProcess } from '../domain/host-readings.js';
import { readNames, readText } from './read-text.js';

/** More than this is not looked at; a host with so many processes has other troubles. */
const maxProcesses = 32_768;
const maxDescriptors = 1024;

interface Seen {
  pid: number;
  name: string;
  sinceMs: number;
}

export class ProcessScan {
  readonly #root: string;
  /** By pid and start time. */
  #blocked = new Map<string, Seen>();
  #names = new Set<string>();
  #looked = false;

  constructor(root: string) {
    this.#root = root;
  }

  async look(nowMs: number): Promise<void> {
    const pids = (await readNames(this.#root, 'proc'))?.filter((name) => /^\d+$/.test(name)) ?? [];
    const blocked = new Map<string, Seen>();
    const names = new Set<string>();
    for (const pid of pids.slice(0, maxProcesses)) {
      const process = parseStat(await readText(this.#root, join('proc', pid, 'stat')));
      if (!process) continue;
      names.add(process.name);
      if (process.state !== 'D' || !(await this.#touchesGpu(pid, process.name))) continue;
      const key = `${pid}/${process.startTime}`;
      const sinceMs = this.#blocked.get(key)?.sinceMs ?? nowMs;
      blocked.set(key, { pid: Number(pid), name: process.name, sinceMs });
    }
    this.#looked = pids.length > 0;
    this.#blocked = blocked;
    this.#names = names;
  }

  /** `null` before the first look, and without a readable /proc. */
  blocked(nowMs: number): BlockedProcess[] | null {
    if (!this.#looked) return null;
    return [...this.#blocked.values()].map(({ pid, name, sinceMs }) => ({
      pid,
      name,
      forMs: nowMs - sinceMs,
    }));
  }

  /** By the first 15 characters of the program's name, which is all that the kernel keeps. */
  runs(name: string): boolean | null {
    return this.#looked ? this.#names.has(name) : null;
  }

  async #touchesGpu(pid: string, name: string): Promise<boolean> {
    if (name.startsWith('nvidia') || name.startsWith('UVM')) return true;
    const folder = join('proc', pid, 'fd');
    for (const fd of ((await readNames(this.#root, folder)) ?? []).slice(0, maxDescriptors))
      if ((await linkOf(join(this.#root, folder, fd))).startsWith('/dev/nvidia')) return true;
    return false;
  }
}

async function linkOf(path: string): Promise<string> {
  try {
    return await readlink(path);
  } catch {
    return '';
  }
}

/** The name stands in brackets and may hold anything; fields count from behind it. */
function parseStat(stat: string | null): { name: string; state: string; startTime: string } | null {
  const close = stat?.lastIndexOf(')') ?? -1;
  const open = stat?.indexOf('(') ?? -1;
  if (stat === null || close < open || open < 0) return null;
  const fields = stat.slice(close + 2).split(' ');
  const [state = '', startTime = ''] = [fields[0], fields[19]];
  return { name: stat.slice(open + 1, close), state, startTime };
}
