/**
 * A check is a small pure function over what is known of one device now. It answers what it sees; how long a condition
 * has lasted, when it goes and what it does to the device's health is kept by `condition-book.ts`. Severity, action and
 * limit come from the data row of the same id; the configuration may change the limit.
 */
import type { DeviceReading, DeviceSample, DriverState } from '../../domain/device.js';
import type { Action, Severity } from '../../domain/health.js';

export interface DeviceView {
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
    };

export interface Limit {
  /** From the data row; `NaN` where its threshold is not a number. */
  value: number;
  /** Level of the next severity, where the row has one. */
  criticalAt: number | null;
  /** From the configuration; it means what the check's own documentation says. */
  configured: number | null;
}

export interface DeviceCheck {
  /** Id of the row in `gpu-health-checks.json`. */
  id: string;
  evaluate(view: DeviceView, limit: Limit): Verdict;
  /** The row's clear rule where it is more than "evaluate says ok". */
  clears?(view: DeviceView, limit: Limit): boolean;
  /** The clear rule must have held for this long. */
  clearAfterMs?: number;
  /** `unknown`: while it fires nothing is known of the device. Otherwise health follows severity and action. */
  health?: 'unknown';
  /** A warning that makes the device `degraded`; others are only shown. */
  warningDegrades?: boolean;
}

export const ok: Verdict = { state: 'ok' };
export const unsupported: Verdict = { state: 'unsupported' };
export const unknown: Verdict = { state: 'unknown' };
