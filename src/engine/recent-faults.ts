/** Faults of the last minutes, so that a death can be joined with what the driver or the kernel said in the same seconds. */
import type { Fault } from '../domain/health.js';
import { BoundedQueue } from '../runtime/bounded-queue.js';
import type { CauseClass, ExitCause } from './explain-exit.js';

export interface DeathPlace {
  deviceUuids: readonly string[];
  pids: ReadonlySet<number>;
  /** Monotonic ms. */
  atMs: number;
}

const maxFaults = 256;
/** The driver reports an Xid within about a second, the kernel an OOM kill at once; a process may take seconds to die of either. */
const windowMs = 5000;
const severities = ['info', 'warning', 'critical', 'fatal'] as const;
/** Classes that only say how it went, so that a fault of the same seconds says more. */
const vague: readonly CauseClass[] = ['unknown', 'killed', 'hang', 'cuda-error', 'nccl-timeout'];

export class RecentFaults {
  readonly #faults = new BoundedQueue<Fault>(maxFaults);

  note(fault: Fault): void {
    this.#faults.push(fault);
  }

  /** The fault that explains a death best, or `null`: one that names a process of it, else the worst on its devices. */
  nearest({ deviceUuids, pids, atMs }: DeathPlace): Fault | null {
    const near = this.#faults
      .toArray()
      .filter(({ observedAtMs }) => Math.abs(observedAtMs - atMs) <= windowMs)
      .filter(({ deviceUuid, pid }) =>
        pid === null ? deviceUuid !== null && deviceUuids.includes(deviceUuid) : pids.has(pid),
      )
      .filter(({ severity, drain }) => severity !== 'info' || drain !== 'none');
    const rank = ({ pid, severity }: Fault): number =>
      (pid === null ? 0 : severities.length) + severities.indexOf(severity);
    return near.sort((a, b) => rank(b) - rank(a))[0] ?? null;
  }
}

/** One sentence of both. */
export function joinFault(cause: ExitCause, fault: Fault | null): ExitCause {
  if (!fault || cause.text.includes(fault.reason)) return cause;
  const ofFault: CauseClass = fault.check === 'oom_kill' ? 'out-of-memory' : 'cuda-error';
  return {
    class: vague.includes(cause.class) ? ofFault : cause.class,
    text: `${cause.text}; in the same seconds: ${fault.reason}`,
  };
}
