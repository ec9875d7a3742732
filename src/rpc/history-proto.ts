/** Between the domain's history and the messages of `node.proto`; an empty string and 0 stand for "none". */
import { InfernodeError } from '../domain/error-codes.js';
import { actionLadder, type Condition } from '../domain/health.js';
import { historyKinds, type DeviceExplanation, type HistoryEntry, type Incident } from '../domain/history.js';
import type {
  HistoryEntry as Message,
  HistoryEntry__Output,
} from './generated/infernode/node/v1/HistoryEntry.js';
import type {
  Incident as IncidentMessage,
  Incident__Output,
} from './generated/infernode/node/v1/Incident.js';
import type { ExplainDeviceResponse__Output } from './generated/infernode/node/v1/ExplainDeviceResponse.js';
import type { ListConditionsResponse__Output } from './generated/infernode/node/v1/ListConditionsResponse.js';
import { conditionFromProto, deviceFromProto, engineFromProto, severities } from './node-state-proto.js';
import { oneOf } from './one-of.js';

/** A condition with its owner: a UUID, or empty for the node as a whole. */
export interface DeviceCondition {
  device: string;
  index: number;
  condition: Condition;
}

const sources = ['nvml', 'kmsg', 'reading', 'agent', 'operator'] as const;

export function historyToProto(entry: HistoryEntry): Message {
  const { seq, atMs, device, engine, check, xid, severity, basis, incident, ...rest } = entry;
  return {
    ...rest,
    seq: String(seq),
    atUnixMs: atMs,
    device: device ?? '',
    engine: engine ?? '',
    check: check ?? '',
    xid: xid ?? 0,
    severity: severity ?? '',
    basis: basis ?? '',
    incident: incident ?? '',
  };
}

export function historyFromProto(message: HistoryEntry__Output): HistoryEntry {
  const { seq, atUnixMs, kind, source, action, reason, evidence, drill } = message;
  return {
    ...{ seq: Number(seq), atMs: atUnixMs, reason, evidence, drill },
    kind: oneOf(historyKinds, kind, 'fault'),
    source: oneOf(sources, source, 'agent'),
    action: oneOf(actionLadder, action, 'none'),
    device: message.device || null,
    engine: message.engine || null,
    check: message.check || null,
    xid: message.xid || null,
    severity: message.severity === '' ? null : oneOf(severities, message.severity, 'warning'),
    basis: message.basis || null,
    incident: message.incident || null,
  };
}

export function incidentToProto(incident: Incident): IncidentMessage {
  const { id, action, reason, startedAtMs, lastAtMs, drill, entries } = incident;
  return {
    ...{ id, action, reason, drill },
    device: incident.device ?? '',
    check: incident.check ?? '',
    xid: incident.xid ?? 0,
    severity: incident.severity ?? '',
    startedUnixMs: startedAtMs,
    lastUnixMs: lastAtMs,
    entries: entries.map(historyToProto),
  };
}

export function incidentFromProto(message: Incident__Output): Incident {
  return {
    ...{ id: message.id, reason: message.reason, drill: message.drill },
    device: message.device || null,
    check: message.check || null,
    xid: message.xid || null,
    severity: message.severity === '' ? null : oneOf(severities, message.severity, 'warning'),
    action: oneOf(actionLadder, message.action, 'none'),
    startedAtMs: message.startedUnixMs,
    lastAtMs: message.lastUnixMs,
    entries: message.entries.map(historyFromProto),
  };
}

export function conditionsFromProto({ conditions }: ListConditionsResponse__Output): DeviceCondition[] {
  return conditions.flatMap(({ device, index, condition }) =>
    condition ? [{ device, index, condition: conditionFromProto(condition) }] : [],
  );
}

/** Throws `internal` for an answer without a device, which no agent gives. */
export function explanationFromProto(response: ExplainDeviceResponse__Output): DeviceExplanation {
  const { device, conditions, history, engines, plan, pods } = response;
  if (!device)
    throw new InfernodeError('internal', 'expected a device in the answer of ExplainDevice, got none');
  return {
    device: deviceFromProto(device),
    conditions: conditions.flatMap(({ condition, title, basis, evidence, clearsWhen, incident }) =>
      condition
        ? [
            {
              condition: conditionFromProto(condition),
              title,
              basis,
              evidence,
              clearsWhen,
              incident: incident || null,
            },
          ]
        : [],
    ),
    history: history.map(historyFromProto),
    engines: engines.map(engineFromProto),
    plan,
    pods,
  };
}
