import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Small on purpose: the children of the simulated server load this file and little else.

/** Field 22 of /proc/<pid>/stat, which tells a pid's owners apart; null when it is gone or only a zombie is left. */
export function readStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in brackets and may hold anything; fields count from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

export interface HeldMemory {
  nodeDirectory: string;
  name: string;
  releaseDelayMs: number;
  devices: { uuid: string; bytes: number }[];
}

/** Tells the simulated GPUs of the node what this process holds; replaces what it said before. */
export function registerProcess({ nodeDirectory, name, releaseDelayMs, devices }: HeldMemory): void {
  const folder = join(nodeDirectory, 'processes');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${process.pid}.json`);
  const content = { pid: process.pid, startTime: readStartTime(process.pid), name, devices, releaseDelayMs };
  writeFileSync(`${file}.tmp`, JSON.stringify(content));
  renameSync(`${file}.tmp`, file);
}

/** A clean end with no release delay needs no reader to notice it. */
export function unregisterProcess(nodeDirectory: string): void {
  rmSync(join(nodeDirectory, 'processes', `${process.pid}.json`), { force: true });
}
