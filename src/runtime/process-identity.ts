import { readFileSync, readlinkSync } from 'node:fs';

/** A pid alone is no identity: the kernel gives it away again. Pid and start time together are one, within a boot. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot, as text. */
  startTime: string;
}

/** True while exactly this process runs; a zombie has ended. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  const fields = statFields(pid);
  return fields !== null && fields[19] === startTime && fields[0] !== 'Z' && fields[0] !== 'X';
}

/** Start time of a process, or `null` when there is none. */
export function startTimeOf(pid: number): string | null {
  return statFields(pid)?.[19] ?? null;
}

/** The kernel's clock ticks per second in /proc; 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/** Processor time that a process has used so far, its threads included, ms; `null` when there is none. */
export function cpuMsOf(pid: number): number | null {
  const fields = statFields(pid);
  if (!fields) return null;
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? (ticks * 1000) / ticksPerSecond : null;
}

/** Fields from the third on: the second is a name in brackets that may hold anything. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** The mark of this boot; without the file every start counts as a new one, so that nothing old is ever trusted. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `unknown-${process.pid}-${startTimeOf(process.pid) ?? ''}`;
  }
}

/** Inode of the first pid namespace of every Linux kernel (`PROC_PID_INIT_INO`). */
const initialPidNamespace = 'pid:[4026531836]';

/** True outside of containers and in those with the host's pids: the kernel's messages name processes as we see them. */
export function seesHostPids(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === initialPidNamespace;
  } catch {
    return false;
  }
}
