/**
 * A driver's event becomes a fault: how bad, what to do, what the work on the device needs. The order is the data's
 * `precedence`: the driver's own recovery action, the NVLink 5 registers, the memory repair flags, the catalogue row; a
 * code that is in no table is a warning with its raw line, never dropped. Pure; called for every event, on the path whose
 * budget is 10 ms.
 */
import type { DeviceEvent } from '../domain/device.js';
import { gpuInstancePart, type Fault, type Severity } from '../domain/health.js';
import { decodeNvlink5, nvlink5Codes } from './decode-nvlink5.js';
import {
  actionOf,
  checkRow,
  compareSeverity,
  drainOf,
  recoveryActionRows,
  xidRows,
  type RecoveryActionRow,
} from './health-data.js';
import { parseXidMessage, type XidMessage } from './parse-xid-message.js';

/** What else is known of the device at the moment of the event. */
export interface FaultContext {
  /** Recovery action that the driver gave within the same incident, or `null`; 0 is "none wanted". */
  recoveryAction: number | null;
  /** A permanent memory repair failure is set: row remap failed, memory unrepairable or SRAM threshold passed. */
  repairFailed: boolean;
  /** Major driver version such as 580, or `null`. */
  driverBranch: number | null;
}

export interface ClassifiedFault extends Fault {
  /** Which table decided. */
  basis: 'recovery-action' | 'nvlink5' | 'repair-flag' | 'catalogue' | 'unknown';
  /** What makes the condition go (`recovers_how` of the data), or `null` when the data does not say. */
  recoversHow: string | null;
}

/** A fault of a program in one MIG instance is that instance's alone; what hurts the device hurts every instance. */
function partOf({ kind, code, gpuInstance = null }: DeviceEvent): string | null {
  const ofProgram = kind === 'xid' && xidRows.get(code)?.affects === 'app';
  return gpuInstance !== null && ofProgram ? gpuInstancePart(gpuInstance) : null;
}

type Verdict = Pick<
  ClassifiedFault,
  'check' | 'severity' | 'action' | 'advice' | 'drain' | 'basis' | 'recoversHow' | 'reason'
>;

const recoveryActionChanged = 154;

/** Codes about memory, for which a failed repair means that no reset will help (NVIDIA GPU Memory Error Management). */
const memoryCodes: ReadonlySet<number> = new Set([48, 63, 64, 94, 95, 140]);

export function classifyFault(event: DeviceEvent, context: FaultContext): ClassifiedFault {
  const message = messageOfEvent(event);
  const part = partOf(event);
  const verdict = verdictOf(event, message, context);
  return {
    ...verdict,
    ...(part === null ? {} : { part, reason: `${verdict.reason} (${part})` }),
    deviceUuid: event.deviceUuid,
    xid: event.kind === 'xid' ? event.code : null,
    evidence: event.text ?? `${event.source} event ${event.kind} ${event.code}`,
    pid: event.pid ?? message?.pid ?? null,
    observedAtMs: event.receivedAtMs,
    drill: event.drill,
  };
}

function verdictOf(event: DeviceEvent, message: XidMessage | null, context: FaultContext): Verdict {
  switch (event.kind) {
    case 'xid':
      if (event.fallenOff) return verdictOfCheck('fallen_off_log', 'drain-now');
      return verdictOfXid(event, message, context);
    case 'recovery-action':
      return verdictOfRecoveryAction(event.code);
    case 'double-bit-ecc':
      return context.repairFailed
        ? { ...verdictOfCheck('ecc_uncorrected', 'drain-now'), ...replacement }
        : verdictOfCheck('ecc_uncorrected', 'drain-now');
    case 'unavailable':
      return verdictOfCheck('gpu_unavailable_event', 'drain-now');
    case 'single-bit-ecc':
      return { ...record('ecc_corrected_rate'), reason: 'a memory error was corrected' };
    case 'other':
      return { ...record('xid'), reason: `driver event of type ${event.code}` };
  }
}

function verdictOfXid(event: DeviceEvent, message: XidMessage | null, context: FaultContext): Verdict {
  if (event.code === recoveryActionChanged) {
    const value = message?.recoveryAction ?? context.recoveryAction;
    if (value !== null) return verdictOfRecoveryAction(value);
  }
  const own = tableVerdict(event, message, context);
  if (context.recoveryAction === null || context.recoveryAction === 0) return own;
  return withRecoveryAction(own, context.recoveryAction);
}

function tableVerdict(event: DeviceEvent, message: XidMessage | null, context: FaultContext): Verdict {
  const decoded = verdictOfRegisters(event.code, message, context.driverBranch);
  if (decoded) return decoded;
  const row = xidRows.get(event.code);
  const name = row ? `Xid ${event.code}: ${row.name}` : `Xid ${event.code}: not in any table`;
  if (context.repairFailed && memoryCodes.has(event.code))
    return {
      check: 'xid',
      drain: 'drain-now',
      ...replacement,
      reason: `${name}, and memory repair has failed`,
    };
  if (row)
    return {
      check: 'xid',
      severity: row.severity,
      ...actionOf(row.action),
      drain: drainOf(row.drain),
      basis: 'catalogue',
      recoversHow: row.recovers_how ?? null,
      reason: name,
    };
  return {
    check: 'xid',
    severity: 'warning',
    ...actionOf('contact_support'),
    drain: 'none',
    basis: 'unknown',
    recoversHow: null,
    reason: name,
  };
}

const replacement = {
  severity: 'fatal',
  ...actionOf('rma'),
  basis: 'repair-flag',
  recoversHow: 'part_replaced',
} as const;

function verdictOfRegisters(
  code: number,
  message: XidMessage | null,
  driverBranch: number | null,
): Verdict | null {
  if (!nvlink5Codes.has(code) || !message?.registers) return null;
  const rule = decodeNvlink5(code, message.registers, driverBranch);
  if (!rule) return null;
  // `follow_154` is no action by itself: the driver's verdict comes as the next Xid.
  const { action, advice } = actionOf(rule.action === 'follow_154' ? 'none' : rule.action);
  const stop = action === 'reset-device' || compareSeverity(rule.severity, 'critical') >= 0;
  return {
    check: 'xid',
    severity: rule.severity,
    action,
    advice,
    drain: stop ? 'drain-now' : 'none',
    basis: 'nvlink5',
    recoversHow: stop ? 'gpu_reset' : 'self',
    reason: `Xid ${code}: NVLink 5 error of ${rule.unit}, sub-code ${rule.sub_code}`,
  };
}

/** The driver knows more than any table: its action and severity replace ours, the name of the Xid stays. */
function withRecoveryAction(own: Verdict, value: number): Verdict {
  const verdict = verdictOfRecoveryAction(value);
  return {
    ...verdict,
    check: own.check,
    reason: `${own.reason}; the driver asks for "${rowOf(value).text}"`,
  };
}

export function verdictOfRecoveryAction(value: number): Verdict {
  const row = rowOf(value);
  return {
    check: 'recovery_action',
    severity: row.severity,
    ...actionOf(row.action),
    drain: drainOfRecovery(row),
    basis: 'recovery-action',
    recoversHow: 'when the new value is None',
    reason:
      value === 0 ? 'the driver asks for no recovery action' : `the driver asks for "${row.text}" (${value})`,
  };
}

function drainOfRecovery(row: RecoveryActionRow): Fault['drain'] {
  if (row.action === 'none' && row.severity === 'info') return 'none';
  if (row.severity === 'fatal') return 'drain-now';
  // "Drain and Reset" lets running work end; "Drain P2P" lets single-GPU work go on.
  return row.action === 'reset_gpu' ? 'drain-convenient' : 'none';
}

/** A value that the table does not know is never read as "None". */
function rowOf(value: number): RecoveryActionRow {
  const row =
    recoveryActionRows.find((r) => r.value === value) ?? recoveryActionRows.find((r) => r.value === 'other');
  if (!row) throw new TypeError('expected a row "other" in recovery_action_map');
  return row;
}

function verdictOfCheck(id: string, drain: Fault['drain']): Verdict {
  const row = checkRow(id);
  return {
    check: id,
    severity: row.severity as Severity,
    ...actionOf(row.action),
    drain,
    basis: 'catalogue',
    recoversHow: row.recovers_how,
    reason: row.title,
  };
}

function record(check: string): Omit<Verdict, 'reason'> {
  return {
    check,
    severity: 'info',
    action: 'none',
    advice: null,
    drain: 'none',
    basis: 'catalogue',
    recoversHow: 'self',
  };
}

function messageOfEvent(event: DeviceEvent): XidMessage | null {
  const message = event.text === null ? null : parseXidMessage(event.text);
  return message?.kind === 'xid' && message.code === event.code ? message : null;
}
