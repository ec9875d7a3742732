/**
 * The conditions of one device: what fired, since when, and whether its clear rule holds. Checks are evaluated against each
 * sample; events are held until evidence of their repair (see `clear-rule.ts`). A condition needs its clear rule to go, and
 * never needs the agent to restart.
 */
import type { Condition, Severity } from '../domain/health.js';
import type { Check, Limit, PartVerdict } from './checks/device-check.js';
import { limitOf } from './check-limit.js';
import { CheckStates, type CheckState } from './check-states.js';
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
  readonly #drill: boolean;
  readonly #entries = new Map<string, Entry>();
  /** Since when a check has seen its cause that must last before it fires, by key. */
  readonly #pending = new Map<string, number>();
  readonly #states = new CheckStates();

  /** `drill`: what is read here is a rehearsal. */
  constructor(drill = false) {
    this.#drill = drill;
  }

  /** Worst first, then by check id: the order that people read. */
  held(): readonly HeldCondition[] {
    return [...this.#entries.values()].sort(
      (a, b) =>
        compareSeverity(b.condition.severity, a.condition.severity) ||
        a.condition.check.localeCompare(b.condition.check) ||
        (a.code ?? 0) - (b.code ?? 0),
    );
  }

  /** Checks whose source this part, driver or host does not have: neither good nor bad, and shown as such. */
  unsupported(): readonly string[] {
    return this.#states.unsupported();
  }

  /** Checks that nobody evaluates and whose source is missing; empty when it is there. What has fired stays. */
  setSilent(checks: readonly string[]): void {
    this.#states.setSilent(checks);
  }

  /**
   * Runs every enabled check. `readAtMs` is when the readings in the view were taken: older ones cannot clear what an event
   * has said since. Returns the conditions that are new or got worse.
   */
  evaluate<View>(
    checks: Iterable<Check<View>>,
    view: View,
    settings: CheckSettings,
    readAtMs: number | null,
    at: Moment,
  ): Condition[] {
    const fired: Condition[] = [];
    for (const check of checks) {
      if (settings[check.id]?.enabled === false) {
        this.#forget(check.id);
        continue;
      }
      const limit = limitOf(check.id, settings);
      const verdict = check.evaluate(view, limit);
      this.#states.note(check.id, verdict.state === 'parts' ? worst(verdict.parts) : verdict.state);
      // Most checks, most of the time: nothing fires, and nothing is there to be cleared.
      if (verdict.state !== 'firing' && verdict.state !== 'parts' && this.#isEmpty) continue;
      const look = { check, view, limit, readAtMs, at };
      if (verdict.state !== 'parts') {
        // A check that has parts at other times, and none now, has nothing to say of them.
        if (verdict.state === 'ok') this.#pending.delete(check.id);
        const condition = this.#judge(look, null, verdict);
        if (condition) fired.push(condition);
      } else
        for (const [part, own] of verdict.parts) {
          if (own.state !== 'firing' && this.#isEmpty) continue;
          const condition = this.#judge(look, part, own);
          if (condition) fired.push(condition);
        }
    }
    return fired;
  }

  get #isEmpty(): boolean {
    return this.#entries.size === 0 && this.#pending.size === 0;
  }

  /** Keeps the condition of an event; `info` is a record, not a condition. Repeats keep the first time. */
  hold(fault: ClassifiedFault, now: Moment): void {
    // A log that is replayed tells of what is long past.
    const ageMs = Math.max(0, now.nowMs - fault.observedAtMs);
    const at = { nowMs: now.nowMs - ageMs, wallMs: now.wallMs - ageMs };
    if (fault.xid !== null) this.#clearByXid(fault.xid);
    const key = keyOf(fault.check, fault.xid, fault.part);
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
        ...(fault.part === undefined ? {} : { part: fault.part }),
        severity,
        action,
        advice,
        reason,
        sinceMs: before?.condition.sinceMs ?? at.wallMs,
        ...(fault.drill ? { drill: true } : {}),
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

  /** Removes what has been quiet for long enough; true when there was something. */
  clearQuiet(nowMs: number): boolean {
    const before = this.#entries.size;
    for (const [key, entry] of this.#entries) {
      const rule = entry.fromEvent ? quietOf(entry) : null;
      if (rule && (entry.repaired || !rule.afterReset) && nowMs - entry.seenAtMs >= rule.quietMs)
        this.#entries.delete(key);
    }
    return this.#entries.size < before;
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
      const key = keyOf(held.condition.check, held.code, held.condition.part);
      this.#entries.set(key, { ...held, seenAtMs: nowMs - ageMs, clearSinceMs: null, repaired: false });
    }
    if (!sameBoot) this.clearBy('node-booted');
  }

  #judge<View>(look: Look<View>, part: string | null, verdict: PartVerdict): Condition | null {
    const { check, at } = look;
    const key = keyOf(check.id, null, part ?? undefined);
    if (verdict.state !== 'firing') {
      if (verdict.state !== 'unknown') this.#pending.delete(key);
      this.#maybeClear(look, key, part, verdict);
      return null;
    }
    const row = checkRow(check.id);
    const since = this.#pending.get(key) ?? at.nowMs;
    this.#pending.set(key, since);
    const lasts = at.nowMs - since >= (check.forMs ?? (row.threshold.for_s ?? 0) * 1000);
    return lasts || this.#entries.has(key) ? this.#fire(row, key, part, verdict, at) : null;
  }

  #fire(
    row: CheckRow,
    key: string,
    part: string | null,
    verdict: Extract<PartVerdict, { state: 'firing' }>,
    at: Moment,
  ): Condition | null {
    const before = this.#entries.get(key);
    const severity = verdict.severity ?? severityOf(row);
    const { action, advice } =
      verdict.action === undefined
        ? actionOf(row.action)
        : { action: verdict.action, advice: verdict.advice ?? null };
    const old = before?.condition;
    // A number in the reason that moves is no news; another severity or action is.
    const same = old?.severity === severity && old.action === action && !before?.fromEvent;
    const condition: Condition = same
      ? old
      : {
          check: row.id,
          ...(part === null ? {} : { part }),
          severity,
          action,
          advice,
          reason: verdict.reason,
          sinceMs: old?.sinceMs ?? at.wallMs,
          ...(this.#drill ? { drill: true } : {}),
        };
    this.#entries.set(key, {
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

  #maybeClear<View>(look: Look<View>, key: string, part: string | null, verdict: PartVerdict): void {
    const { check, view, limit, readAtMs, at } = look;
    const entry = this.#entries.get(key);
    if (!entry) return;
    const older = entry.fromEvent && (readAtMs === null || readAtMs <= entry.seenAtMs);
    const holds = !older && (check.clears ? check.clears(view, limit, part) : verdict.state === 'ok');
    if (!holds) {
      entry.clearSinceMs = null;
      return;
    }
    entry.clearSinceMs ??= at.nowMs;
    if (at.nowMs - entry.clearSinceMs >= (check.clearAfterMs ?? 0)) this.#entries.delete(key);
  }

  /** Of a check that was switched off. */
  #forget(id: string): void {
    this.#states.forget(id);
    for (const [key, { condition }] of this.#entries)
      if (condition.check === id) {
        this.#entries.delete(key);
        this.#pending.delete(key);
      }
  }

  #clearByXid(code: number): void {
    for (const [key, entry] of this.#entries)
      if (clearingXid(entry.recoversHow) === code) this.#entries.delete(key);
  }
}

interface Look<View> {
  check: Check<View>;
  view: View;
  limit: Limit;
  readAtMs: number | null;
  at: Moment;
}

/** What is shown of a check with parts: it fires when one does, and is unsupported only when all are. */
function worst(parts: ReadonlyMap<string, PartVerdict>): CheckState {
  let found: CheckState = 'unsupported';
  for (const { state } of parts.values()) {
    if (state === 'firing') return state;
    if (state === 'unknown' || found === 'unsupported') found = state;
  }
  return found;
}

/** A row "by value" always comes with a verdict that names its severity; this is for a future one that forgets. */
function severityOf(row: CheckRow): Severity {
  return row.severity === 'by_code' || row.severity === 'by_value' ? 'warning' : row.severity;
}

/** Each Xid and each part is a condition of its own. */
function keyOf(check: string, code: number | null, part?: string): string {
  const name = check === 'xid' && code !== null ? `xid:${code}` : check;
  return part === undefined ? name : `${name}/${part}`;
}

function quietOf({ condition, recoversHow }: HeldCondition): ReturnType<typeof quietTimeOf> {
  return quietTimeOf(condition.check, recoversHow, isSevere(condition.severity));
}

function isSevere(severity: Severity): boolean {
  return severity === 'critical' || severity === 'fatal';
}
