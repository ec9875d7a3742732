/** Whether this process sees the pids of the host, which are those that the driver names. */
import { readlinkSync } from 'node:fs';
import { readText } from './read-text.js';

/** The kernel gives the first pid namespace this inode number on every machine. */
const firstPidNamespace = 'pid:[4026531836]';

export function seesHostPids(file = '/proc/self/ns/pid'): boolean {
  try {
    return readlinkSync(file) === firstPidNamespace;
  } catch {
    return false;
  }
}

/** Name of the program of a process, at most 15 characters; never its arguments, which may hold secrets. */
export async function readCommand(pid: number): Promise<string | null> {
  return (await readText('/', `proc/${pid}/comm`))?.trim() ?? null;
}
