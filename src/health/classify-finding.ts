/** What the kernel log says beside Xid lines becomes a fault, by the row of its check. Pure. */
import type { Severity } from '../domain/health.js';
import type { ClassifiedFault } from './classify-fault.js';
import { actionOf, checkRow } from './health-data.js';
import type { KernelNewsItem } from './read-kernel-log.js';

type Finding = Exclude<KernelNewsItem, { kind: 'xid' }>;

export interface FindingOwner {
  deviceUuid: string | null;
  /** The supervised engine that the line is about, by pid. */
  engineId: string | null;
}

/** `null` where the line concerns nobody here: a process that is not an engine's was killed for memory. */
export function classifyFinding(
  item: Finding,
  { deviceUuid, engineId }: FindingOwner,
): ClassifiedFault | null {
  if (item.kind === 'sxid') return switchFault(item);
  const { finding, record, count } = item;
  if (finding.check === 'oom_kill' && engineId === null) return null;
  const fault = faultOfCheck(finding.check, reasonOf(item, engineId), record.text, record.observedAtMs);
  // A reboot for a library that does not fit the module mends the next start; what runs goes on.
  if (fault.severity === 'fatal') fault.drain = 'drain-now';
  if (finding.check === 'oom_kill') fault.drain = 'restart-engine';
  return {
    ...fault,
    deviceUuid,
    pid: finding.pid,
    evidence: count > 1 ? `${count} times: ${record.text}` : record.text,
  };
}

/** A fault of a check's own row. */
export function faultOfCheck(
  check: string,
  reason: string,
  evidence: string,
  observedAtMs: number,
): ClassifiedFault {
  const row = checkRow(check);
  return {
    check,
    deviceUuid: null,
    xid: null,
    severity: row.severity as Severity,
    ...actionOf(row.action),
    drain: 'none',
    reason,
    evidence,
    pid: null,
    observedAtMs,
    basis: 'catalogue',
    recoversHow: row.recovers_how,
  };
}

/** A non-fatal one is a warning that asks for nothing. */
function switchFault({ message, record }: Extract<Finding, { kind: 'sxid' }>): ClassifiedFault {
  const kind = message.fatal ? 'fatal' : 'non-fatal';
  const reason = `NVSwitch ${message.pciBusId}: ${kind} SXid ${message.code}${message.text ? `: ${message.text}` : ''}`;
  const fault = faultOfCheck('sxid', reason, record.text, record.observedAtMs);
  if (message.fatal) return { ...fault, drain: 'drain-now' };
  return { ...fault, severity: 'warning', action: 'none', advice: null, recoversHow: 'self' };
}

function reasonOf(
  { finding, count }: Extract<Finding, { kind: 'finding' }>,
  engineId: string | null,
): string {
  switch (finding.check) {
    case 'rm_init_failed':
      return 'the driver could not start the adapter';
    case 'gsp_timeout_storm':
      return `${count} calls to the GPU's firmware timed out within ten minutes`;
    case 'inforom_corrupt':
      return 'the kernel log says that the InfoROM is corrupt';
    case 'driver_version_mismatch':
      return 'a user library and the kernel module of the driver differ';
    case 'pcie_aer':
      return finding.uncorrected
        ? 'an uncorrectable PCIe error was reported'
        : `${count} corrected PCIe errors within a minute`;
    case 'hung_task':
      return 'a task hangs in the driver';
    case 'oom_kill':
      return `the kernel killed process ${finding.pid ?? '?'} of engine ${engineId ?? '?'} for memory`;
  }
}
