/**
 * A check is a small pure function over what is known of one device now. It answers what it sees; how long a condition
 * has lasted, when it goes and what it does to the device's health is kept by `condition-book.ts`. Severity, action and
 * limit come from the data row of the same id; the configuration may change the limit.
 */
import type { DeviceIdentity, DeviceReading, DeviceSample, DriverState } from '../../domain/device.js';
import type { Action, Severity } from '../../domain/health.js';
import type { Workload } from '../../domain/workload.js';
import type { CounterHistory } from '../counter-history.js';
import type { DeviceInventory } from '../device-inventory.js';
import type { CheckRow } from '../health-data.js';

export interface DeviceView {
  /** Who it is, or was when it was seen last. */
  identity: DeviceIdentity;
  driver: DriverState;
  /** The device in the newest snapshot; `null` when it is not there. */
  sample: DeviceSample | null;
  /** The last reading of the same device before the newest, for counters; `null` at first sight. */
  previous: DeviceReading | null;
  /** A driver call on this device (or on the whole driver) that has not returned. */
  stuck: { call: string; forMs: number } | null;
  /** Age of the newest complete sample now, ms; `null` before the first. */
  sampleAgeMs: number | null;
  sampleIntervalMs: number;
  /** A call that takes longer hangs; 0 where nobody watches. */
  callDeadlineMs: number;
  /** Counters by their names, and what `device-record.ts` counts beside them. */
  history: CounterHistory;
  /** What the device was when it was well. */
  inventory: Readonly<DeviceInventory>;
  /** Seconds that the last readings of the fast class took, newest last. */
  sweepSeconds: readonly number[];
  /** Lookups of the handle in a row that failed. */
  failedLookups: number;
  /** Power readings in a row that failed or cannot be true. */
  badPowerReadings: number;
  /** All devices of the node in the newest snapshot, this one included. */
  siblings: readonly DeviceSample[];
  workload: Readonly<Workload>;
}

/**
 * `unsupported`: this part or driver has no such reading. `unknown`: it has, and we could not look. Neither is `ok`, and
 * neither clears a condition.
 */
export type Verdict =
  | { state: 'ok' }
  | { state: 'unsupported' }
  | { state: 'unknown' }
  | {
      state: 'firing';
      reason: string;
      /** Where the data says "by value", or has two levels. */
      severity?: Severity;
      action?: Action;
      advice?: string | null;
    }
  /** One answer for each link, instance, port or engine: one that is bad neither hides nor taints the others. */
  | { state: 'parts'; parts: ReadonlyMap<string, Exclude<Verdict, { state: 'parts' }>> };

export type PartVerdict = Exclude<Verdict, { state: 'parts' }>;

export interface Limit {
  /** From the data row; `NaN` where its threshold is not a number. */
  value: number;
  /** Level of the next severity, where the row has one. */
  criticalAt: number | null;
  /** From the configuration; it means what the check's own documentation says. */
  configured: number | null;
  /** The configured level, else the data's. */
  level: number;
  row: CheckRow;
}

/** `View` is what the check looks at: a device, or the host (`host-check.ts`). */
export interface Check<View> {
  /** Id of the row in `gpu-health-checks.json`. */
  id: string;
  evaluate(view: View, limit: Limit): Verdict;
  /** The row's clear rule where it is more than "evaluate says ok". */
  clears?(view: View, limit: Limit, part: string | null): boolean;
  /** The clear rule must have held for this long. */
  clearAfterMs?: number;
  /** It must have been firing for this long; the row's `for_s` unless said otherwise. */
  forMs?: number;
  /** `unknown`: while it fires nothing is known of the device. Otherwise health follows severity and action. */
  health?: 'unknown';
  /** A warning that makes the device `degraded`; others are only shown. */
  warningDegrades?: boolean;
}

export type DeviceCheck = Check<DeviceView>;

export const minuteMs = 60_000;
export const hourMs = 3_600_000;

export const ok: PartVerdict = { state: 'ok' };
export const unsupported: PartVerdict = { state: 'unsupported' };
export const unknown: PartVerdict = { state: 'unknown' };

/** For flags that no reading takes back: only another serial number or an operator's acknowledgement does. */
export const never = (): boolean => false;
