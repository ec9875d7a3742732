/** The chain of evidence behind a device's state, put together from its status and the history. Pure. */
import type { DeviceStatus } from '../domain/device.js';
import type { Condition } from '../domain/health.js';
import type { ConditionExplanation, HistoryEntry } from '../domain/history.js';
import { checkRows, xidRows } from './health-data.js';

const maxEvidence = 8;

/** `recovers_how` of the data, as a person reads it. */
const clearWords: Record<string, string> = {
  gpu_reset:
    'after a reset of the device (it was away and is back, the driver was released and opened, or the node booted)',
  cold_reset: 'after a power cycle, when the device was away and is back',
  node_reboot: 'after a reboot, or when the device was away and is back',
  vm_or_node_reboot: 'after a reboot',
  app_restart: 'when the engine has started anew, or after ten quiet minutes',
  self: 'after ten quiet minutes',
  software_update: 'when the driver was opened anew',
  'when the new value is None': 'when the driver asks for no recovery action any more',
};
const byHand = 'when an operator acknowledges it, or the part has another serial number';

export function explainConditions(
  device: DeviceStatus,
  history: readonly HistoryEntry[],
): ConditionExplanation[] {
  return device.conditions.map((condition) => explain(condition, history));
}

function explain(condition: Condition, history: readonly HistoryEntry[]): ConditionExplanation {
  const faults = history.filter((entry) => entry.kind === 'fault' && isAbout(entry, condition));
  const newest = faults.at(-1);
  const xid = newest?.xid ?? null;
  const row = condition.check === 'xid' && xid !== null ? xidRows.get(xid) : undefined;
  const check = checkRows.get(condition.check);
  return {
    condition,
    title: row?.name ?? check?.title ?? condition.check,
    basis: faults.find(({ basis }) => basis !== null)?.basis ?? '',
    evidence: [...new Set(faults.map(({ evidence, reason }) => evidence || reason))].slice(-maxEvidence),
    clearsWhen:
      condition.check === 'xid' && row
        ? (clearWords[row.recovers_how ?? ''] ?? (row.recovers_how ? byHand : clearWords['gpu_reset']!))
        : (check?.clear_when ?? byHand),
    incident: newest?.incident ?? null,
  };
}

/** The reason of a repeat says more than that of the first, and the second source tells the same Xid. */
function isAbout({ check, xid, reason }: HistoryEntry, condition: Condition): boolean {
  if (check !== condition.check) return false;
  if (check !== 'xid') return true;
  if (condition.part !== undefined && !reason.includes(`(${condition.part})`)) return false;
  return reason === condition.reason || condition.reason.startsWith(`Xid ${xid}:`);
}
