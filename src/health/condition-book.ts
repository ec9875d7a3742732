/**
 * The conditions of one device: what fired, since when, and whether its clear rule holds. Checks are evaluated against each
 * sample; events are held until evidence of their repair (see `clear-rule.ts`). A condition needs its clear rule to go, and
 * never needs the agent to restart.
 */
import type { Condition, Severity } from '../domain/health.js';
import { deviceChecks } from './checks/check-registry.js';
import type { DeviceCheck, DeviceView, Limit, Verdict } from './checks/device-check.js';
import type { ClassifiedFault } from './classify-fault.js';
import { clearingXid, clears, quietTimeOf, type Evidence } from './clear-rule.js';
import { actionOf, checkRow, compareSeverity, type CheckRow } from './health-data.js';

/** Limits and switches by check id, from the configuration. */
export type CheckSettings = Record<string, { threshold?: number | undefined; enabled: boolean }>;

export interface HeldCondition {
  condition: Condition;
  /** Fired by an event, not by a reading. */
  fromEvent: boolean;
  /** Xid, where there is one. */
  code: number | null;
  recoversHow: string | null;
  /** The fault asked for "no new work", whatever the severity. */
  drainNow: boolean;
  /** Wall time in ms when it fired last; absent in documents of older agents. */
  seenWallMs?: number;
}

interface Entry extends HeldCondition {
  /** Last time that it fired, monotonic ms. */
  seenAtMs: number;
  /** Since when the clear rule holds, or `null`. */
  clearSinceMs: number | null;
  /** A reset was seen since it fired; for a rule that waits longer. */
  repaired: boolean;
}

export interface Moment {
  nowMs: number;
  wallMs: number;
}

export class ConditionBook {
  readonly #entries = new Map<string, Entry>();

  /** Worst first, then by check id: the order that people read. */
  held(): readonly HeldCondition[] {
    return [...this.#entries.values()].sort(
      (a, b) =>
        compareSeverity(b.condition.severity, a.condition.severity) ||
        a.condition.check.localeCompare(b.condition.check) ||
        (a.code ?? 0) - (b.code ?? 0),
    );
  }

  /**
   * Runs every enabled check. `readAtMs` is when the readings in the view were taken: older ones cannot clear what an event
   * has said since. Returns the conditions that are new or got worse.
   */
  evaluate(view: DeviceView, settings: CheckSettings, readAtMs: number | null, at: Moment): Condition[] {
    const fired: Condition[] = [];
    for (const check of deviceChecks.values()) {
      if (settings[check.id]?.enabled === false) {
        this.#entries.delete(check.id);
        continue;
      }
      const limit = limitOf(check.id, settings);
      const verdict = check.evaluate(view, limit);
      if (verdict.state === 'firing') {
        const condition = this.#fire(check.id, verdict, at);
        if (condition) fired.push(condition);
      } else this.#maybeClear(check, verdict, view, limit, readAtMs, at.nowMs);
    }
    return fired;
  }

  /** Keeps the condition of an event; `info` is a record, not a condition. Repeats keep the first time. */
  hold(fault: ClassifiedFault, now: Moment): void {
    // A log that is replayed tells of what is long past.
    const ageMs = Math.max(0, now.nowMs - fault.observedAtMs);
    const at = { nowMs: now.nowMs - ageMs, wallMs: now.wallMs - ageMs };
    if (fault.xid !== null) this.#clearByXid(fault.xid);
    const key = keyOf(fault.check, fault.xid);
    if (fault.severity === 'info') {
      // "None" from the driver itself ends the condition that an earlier verdict of it began.
      if (fault.check === 'recovery_action') this.#entries.delete(key);
      return;
    }
    const before = this.#entries.get(key);
    const { check, severity, action, advice, reason } = fault;
    this.#entries.set(key, {
      condition: {
        check,
        severity,
        action,
        advice,
        reason,
        sinceMs: before?.condition.sinceMs ?? at.wallMs,
      },
      fromEvent: true,
      code: fault.xid,
      recoversHow: fault.recoversHow,
      drainNow: fault.drain === 'drain-now',
      seenWallMs: at.wallMs,
      seenAtMs: at.nowMs,
      clearSinceMs: null,
      repaired: false,
    });
  }

  /** Removes what the evidence repairs; only conditions of events, readings speak for themselves. */
  clearBy(evidence: Evidence): void {
    for (const [key, entry] of this.#entries)
      if (entry.fromEvent && clears(entry.recoversHow, isSevere(entry.condition.severity), evidence)) {
        if (quietOf(entry)?.afterReset) entry.repaired = true;
        else this.#entries.delete(key);
      }
  }

  /** The cause is known to be gone; nothing where it did not fire. */
  clear(check: string): void {
    this.#entries.delete(check);
  }

  /** Removes what has been quiet for long enough. */
  clearQuiet(nowMs: number): void {
    for (const [key, entry] of this.#entries) {
      const rule = entry.fromEvent ? quietOf(entry) : null;
      if (rule && (entry.repaired || !rule.afterReset) && nowMs - entry.seenAtMs >= rule.quietMs)
        this.#entries.delete(key);
    }
  }

  /** An operator takes the responsibility. A check that still sees the cause fires again with the next sample. */
  acknowledge(check: string): boolean {
    let found = false;
    for (const [key, entry] of this.#entries)
      if (entry.condition.check === check) {
        this.#entries.delete(key);
        found = true;
      }
    return found;
  }

  clearAll(): void {
    this.#entries.clear();
  }

  /** For the disk. */
  stored(): HeldCondition[] {
    return this.held().map(({ condition, fromEvent, code, recoversHow, drainNow, seenWallMs }) => ({
      condition,
      fromEvent,
      code,
      recoversHow,
      drainNow,
      ...(seenWallMs === undefined ? {} : { seenWallMs }),
    }));
  }

  /** From disk. After a boot, what a boot repairs is left out. */
  restore(stored: readonly HeldCondition[], sameBoot: boolean, { nowMs, wallMs }: Moment): void {
    for (const held of stored) {
      // A wall clock that jumped must not make it older than it is known to be, nor put it into the future.
      const ageMs = Math.max(0, wallMs - (held.seenWallMs ?? wallMs));
      const key = keyOf(held.condition.check, held.code);
      this.#entries.set(key, { ...held, seenAtMs: nowMs - ageMs, clearSinceMs: null, repaired: false });
    }
    if (!sameBoot) this.clearBy('node-booted');
  }

  #fire(id: string, verdict: Extract<Verdict, { state: 'firing' }>, at: Moment): Condition | null {
    const row = checkRow(id);
    const before = this.#entries.get(id);
    const condition: Condition = {
      check: id,
      severity: verdict.severity ?? severityOf(row),
      ...(verdict.action === undefined
        ? actionOf(row.action)
        : { action: verdict.action, advice: verdict.advice ?? null }),
      reason: verdict.reason,
      sinceMs: before?.condition.sinceMs ?? at.wallMs,
    };
    this.#entries.set(id, {
      condition,
      fromEvent: before?.fromEvent ?? false,
      code: before?.code ?? null,
      recoversHow: row.recovers_how,
      drainNow: before?.drainNow ?? false,
      seenAtMs: at.nowMs,
      clearSinceMs: null,
      repaired: false,
    });
    const worse = !before || compareSeverity(condition.severity, before.condition.severity) > 0;
    return worse ? condition : null;
  }

  #maybeClear(
    check: DeviceCheck,
    verdict: Verdict,
    view: DeviceView,
    limit: Limit,
    readAtMs: number | null,
    nowMs: number,
  ): void {
    const entry = this.#entries.get(check.id);
    if (!entry) return;
    const older = entry.fromEvent && (readAtMs === null || readAtMs <= entry.seenAtMs);
    const holds = !older && (check.clears ? check.clears(view, limit) : verdict.state === 'ok');
    if (!holds) {
      entry.clearSinceMs = null;
      return;
    }
    entry.clearSinceMs ??= nowMs;
    if (nowMs - entry.clearSinceMs >= (check.clearAfterMs ?? 0)) this.#entries.delete(check.id);
  }

  #clearByXid(code: number): void {
    for (const [key, entry] of this.#entries)
      if (clearingXid(entry.recoversHow) === code) this.#entries.delete(key);
  }
}

function limitOf(id: string, settings: CheckSettings): Limit {
  const { threshold } = checkRow(id);
  return {
    value: typeof threshold.value === 'number' ? threshold.value : Number.NaN,
    criticalAt: threshold.critical_at ?? null,
    configured: settings[id]?.threshold ?? null,
  };
}

/** A row "by value" always comes with a verdict that names its severity; this is for a future one that forgets. */
function severityOf(row: CheckRow): Severity {
  return row.severity === 'by_code' || row.severity === 'by_value' ? 'warning' : row.severity;
}

/** Each Xid is a condition of its own; every other check is one. */
function keyOf(check: string, code: number | null): string {
  return check === 'xid' && code !== null ? `xid:${code}` : check;
}

function quietOf({ condition, recoversHow }: HeldCondition): ReturnType<typeof quietTimeOf> {
  return quietTimeOf(condition.check, recoversHow, isSevere(condition.severity));
}

function isSevere(severity: Severity): boolean {
  return severity === 'critical' || severity === 'fatal';
}
