/** Checks over named readings: the values, or the verdict that there are none. */
import type { DeviceDetails } from '../../domain/device-details.js';
import type { DeviceReading } from '../../domain/device.js';
import {
  ok,
  unknown,
  unsupported,
  type DeviceCheck,
  type DeviceView,
  type Limit,
  type PartVerdict,
  type Verdict,
} from './device-check.js';

export type ValueName = keyof DeviceReading | keyof DeviceDetails;

/** `null`: the part does not have it, or it could not be read; `absence` tells which. */
export function valueOf(view: DeviceView, name: ValueName): number | null {
  const { sample } = view;
  if (!sample) return null;
  return name in sample.reading
    ? (sample.reading[name as keyof DeviceReading] ?? null)
    : (sample.details[name as keyof DeviceDetails] ?? null);
}

/** Why a reading is not there: "not looked" is not "not supported". */
export function absence(view: DeviceView, ...names: ValueName[]): PartVerdict {
  const { sample, stuck } = view;
  if (!sample || sample.error || stuck) return unknown;
  return names.some((name) => sample.failed.includes(name)) ? unknown : unsupported;
}

/** A sentence fires at the row's severity; `null` is fine. */
type Judged = string | null | Verdict;

/** A check that needs all of these readings. */
export function valueCheck<const Names extends readonly ValueName[]>(
  id: string,
  names: Names,
  judge: (values: { [K in keyof Names]: number }, view: DeviceView, limit: Limit) => Judged,
  more: Partial<Omit<DeviceCheck, 'id' | 'evaluate'>> = {},
): DeviceCheck {
  return {
    id,
    evaluate(view, limit) {
      if (!view.sample || view.sample.error || view.stuck) return unknown;
      const values = names.map((name) => valueOf(view, name));
      if (values.includes(null)) return absence(view, ...names.filter((_, n) => values[n] === null));
      return verdictOf(judge(values as { [K in keyof Names]: number }, view, limit));
    },
    ...more,
  };
}

export function verdictOf(judged: Judged): Verdict {
  if (judged === null) return ok;
  return typeof judged === 'string' ? { state: 'firing', reason: judged } : judged;
}

/** For clear rules: all readings are there and the rule holds. */
export function holds<const Names extends readonly ValueName[]>(
  view: DeviceView,
  names: Names,
  rule: (values: { [K in keyof Names]: number }) => boolean,
): boolean {
  if (!view.sample || view.sample.error) return false;
  const values = names.map((name) => valueOf(view, name));
  return !values.includes(null) && rule(values as { [K in keyof Names]: number });
}

/** A number of the row's threshold beside its value, such as `critical_at`. */
export function companion({ row }: Limit, name: string): number {
  const value = row.threshold[name];
  if (typeof value === 'number') return value;
  throw new TypeError(`expected a number ${name} in the threshold of ${row.id}`);
}

/** One of the numbers of a threshold whose value is a table, such as `replay_per_min`. */
export function tableValue({ row }: Limit, name: string): number {
  const value = (row.threshold.value as Record<string, unknown> | undefined)?.[name];
  if (typeof value === 'number') return value;
  throw new TypeError(`expected a number ${name} in the threshold of ${row.id}`);
}

/** Warning at the row's value, critical at its `critical_at`; for checks with two levels. */
export function twoLevels(value: number, limit: Limit, reason: string): Verdict {
  if (value < limit.level) return ok;
  const critical = limit.criticalAt !== null && value >= limit.criticalAt;
  return { state: 'firing', severity: critical ? 'critical' : 'warning', reason };
}
