import { readFileSync } from 'node:fs';

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
