/** A line of the kernel log that somebody asked for. */
export interface KernelRecord {
  /** Rises within a boot; `null` for a line without a record header, which is told once, when it comes. */
  seq: number | null;
  text: string;
  /** When it was written, monotonic ms of the agent's clock; before the agent's start where the log was replayed. */
  observedAtMs: number;
  /** True when a program wrote it and not the kernel: a rehearsal through `/dev/kmsg`, or a node of drills. */
  drill: boolean;
}

/**
 * The second source of faults. `off`: not configured; `absent` and `unreadable`: it should be read and is not, so that its checks
 * are unsupported, never good.
 */
export interface KernelLogStatus {
  state: 'off' | 'waiting' | 'absent' | 'unreadable' | 'reading';
  /** Empty while it is read. */
  reason: string;
  /** Records lost since the agent began to read: overwritten before they were read, or gaps in the sequence. */
  lost: number;
  /** Records that were no text, or too long. */
  invalid: number;
}

export const kernelLogStates = ['off', 'waiting', 'absent', 'unreadable', 'reading'] as const;
