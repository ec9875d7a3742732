/**
 * The two tables that health stands on, typed: `data/xid.json` (what each Xid means) and `data/gpu-health-checks.json`
 * (what is checked, how severe it is, when it clears). They are copies of published facts with their sources inside; the
 * code holds no threshold or severity of its own where a table has one.
 */
import checkTable from './data/gpu-health-checks.json' with { type: 'json' };
import xidTable from './data/xid.json' with { type: 'json' };
import type { Action, Fault, Severity } from '../domain/health.js';

export interface XidRow {
  xid: number;
  name: string;
  severity: Severity;
  /** The table's own word; `actionOf` maps it to the ladder. */
  action: string;
  affects: string;
  drain: string;
  /** What makes the condition go; see `clear-rule.ts`. */
  recovers_how?: string;
  escalate?: string;
}

export interface RecoveryActionRow {
  value: number | 'other';
  text: string;
  action: string;
  severity: Severity;
}

export interface Nvlink5Rule {
  xid: number;
  unit: string;
  sub_code: number;
  unit_mask_pre_r575: string;
  unit_value_pre_r575: string;
  unit_mask_r575: string;
  unit_value_r575: string;
  status: string;
  status_match: 'any_bit' | 'equals';
  severity: Severity;
  action: string;
}

/** `value` and its companions, as the rules of the table explain them; a check takes the members that it knows. */
export interface CheckThreshold {
  value?: unknown;
  critical_at?: number;
  for_s?: number;
  or_corrected_per_min?: number;
  or_same_gpc_tpc?: number;
  or_different_programs?: number;
  [companion: string]: unknown;
}

/** Where a check looks: `nvml`, `nvml_field`, `nvml_event`, `kmsg`, `sysfs`, `procfs`, `engine`, `derived` of other checks, ... */
export interface CheckSource {
  kind: string;
}

export interface CheckRow {
  id: string;
  title: string;
  scope: string;
  source: CheckSource | CheckSource[];
  interval_s: number;
  threshold: CheckThreshold;
  severity: Severity | 'by_code' | 'by_value';
  action: string;
  recovers_how: string;
  clear_when: string;
}

export const xidRows: ReadonlyMap<number, XidRow> = new Map(
  (xidTable.codes as unknown as XidRow[]).map((row) => [row.xid, row]),
);

export const recoveryActionRows = xidTable.recovery_action_map as RecoveryActionRow[];

export const nvlink5Rules = xidTable.nvlink5_decode as unknown as Nvlink5Rule[];

export const checkRows: ReadonlyMap<string, CheckRow> = new Map(
  (checkTable.checks as unknown as CheckRow[]).map((row) => [row.id, row]),
);

/** The row of a check that exists; asking for another id is a programming error. */
export function checkRow(id: string): CheckRow {
  const row = checkRows.get(id);
  if (!row) throw new TypeError(`expected a check id of gpu-health-checks.json, got "${id}"`);
  return row;
}

const ladder: Record<string, Action> = {
  none: 'none',
  restart_app: 'restart-engine',
  reset_gpu: 'reset-device',
  reboot_node: 'reboot-node',
  rma: 'replace-hardware',
};

/** The tables' actions: four are our ladder, every other one is advice that nobody carries out. */
export function actionOf(word: string): { action: Action; advice: string | null } {
  const action = ladder[word];
  return action === undefined ? { action: 'none', advice: word } : { action, advice: null };
}

const drains: Record<string, Fault['drain']> = {
  none: 'none',
  restart_engine: 'restart-engine',
  drain_convenient: 'drain-convenient',
  drain_now: 'drain-now',
};

export function drainOf(word: string): Fault['drain'] {
  return drains[word] ?? 'none';
}

const severityRank: Record<Severity, number> = { info: 0, warning: 1, critical: 2, fatal: 3 };

/** Negative when `a` is milder than `b`. */
export function compareSeverity(a: Severity, b: Severity): number {
  return severityRank[a] - severityRank[b];
}
