import type { DeviceStatus } from './device.js';
import type { EngineStatus } from './engine.js';
import type { Action, Condition, Severity } from './health.js';

export const historyKinds = ['fault', 'cleared', 'health', 'acknowledged', 'engine', 'action'] as const;
export type HistoryKind = (typeof historyKinds)[number];

/** Who said it first. */
export type HistorySource = 'nvml' | 'kmsg' | 'reading' | 'agent' | 'operator';

/** One thing that happened on the node and may have to be explained later. Kept in the journal, told by `WatchEvents`. */
export interface HistoryEntry {
  /** Rises for ever, over restarts too. */
  seq: number;
  /** Wall time in ms, for display. */
  atMs: number;
  kind: HistoryKind;
  source: HistorySource;
  /** UUID, or `null` for the node as a whole. */
  device: string | null;
  engine: string | null;
  check: string | null;
  xid: number | null;
  severity: Severity | null;
  action: Action;
  /** One sentence. */
  reason: string;
  /** The raw line or number behind it; empty where the reason is all there is. */
  evidence: string;
  /** Which table decided of a fault, such as `catalogue` or `recovery-action`. */
  basis: string | null;
  /** Codes that come together on one device are one incident; `null` outside of any. */
  incident: string | null;
  /** A rehearsal. */
  drill: boolean;
}

/** What is said of an entry; the rest has a default. */
export type HistoryNews = Pick<HistoryEntry, 'kind' | 'source' | 'reason'> &
  Partial<Omit<HistoryEntry, 'seq'>>;

/** Codes that came together on one device, under the worst of them. */
export interface Incident {
  id: string;
  device: string | null;
  /** The root: worst code that is not 45, the first of equals. */
  check: string | null;
  xid: number | null;
  severity: Severity | null;
  action: Action;
  reason: string;
  startedAtMs: number;
  lastAtMs: number;
  drill: boolean;
  entries: HistoryEntry[];
}

/** Why one condition fires, and what makes it go. */
export interface ConditionExplanation {
  condition: Condition;
  /** Title of the check, or name of the Xid. */
  title: string;
  /** Which table decided; empty when it is not remembered. */
  basis: string;
  /** Raw lines or numbers, oldest first. */
  evidence: string[];
  clearsWhen: string;
  incident: string | null;
}

/** The chain of evidence behind a device's state. */
export interface DeviceExplanation {
  device: DeviceStatus;
  conditions: ConditionExplanation[];
  /** Newest last. */
  history: HistoryEntry[];
  engines: EngineStatus[];
  /** What the agent does, or would do, about the action that is wanted. */
  plan: string;
  /** Whom Kubernetes gave the device: `namespace/pod (container)`. */
  pods: string[];
}
