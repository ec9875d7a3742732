/** The one mapping between the words of `domain/work.ts` and the messages of `node.proto`, both ways. */
import type { CoordinatorWork, WorkEvent, WorkLease, WorkReport, WorkUpdate } from '../domain/work.js';
import type { WorkEvent as Event, WorkEvent__Output } from './generated/infernode/node/v1/WorkEvent.js';
import type { WorkLease__Output } from './generated/infernode/node/v1/WorkLease.js';
import type { WorkReport as Report, WorkReport__Output } from './generated/infernode/node/v1/WorkReport.js';
import type { WorkUpdate as Update, WorkUpdate__Output } from './generated/infernode/node/v1/WorkUpdate.js';

export function workReportToProto(report: WorkReport): Report {
  const { sequence } = report;
  if (report.kind === 'delta') return { sequence, delta: { events: report.events.map(eventToProto) } };
  const { coordinator, chainVersion, seedFingerprint, leases } = report;
  return { sequence, opening: { coordinator, chainVersion, seedFingerprint, leases } };
}

/** `null` for a message of a kind that this version does not know. */
export function workReportFromProto({ sequence, opening, delta }: WorkReport__Output): WorkReport | null {
  if (opening)
    return {
      kind: 'opening',
      sequence,
      coordinator: opening.coordinator,
      chainVersion: opening.chainVersion,
      seedFingerprint: opening.seedFingerprint,
      leases: opening.leases.map(leaseFromProto),
    };
  return delta ? { kind: 'delta', sequence, events: delta.events.flatMap(eventFromProto) } : null;
}

export function workUpdateToProto({ complete, work }: WorkUpdate): Update {
  return {
    complete,
    work: work.map(({ events, ...rest }) => ({ ...rest, events: events.map(eventToProto) })),
  };
}

export function workUpdateFromProto({ complete, work }: WorkUpdate__Output): WorkUpdate {
  return {
    complete,
    work: work.map(({ coordinator, chainVersion, seedFingerprint, events }): CoordinatorWork => ({
      coordinator,
      chainVersion,
      seedFingerprint,
      events: events.flatMap(eventFromProto),
    })),
  };
}

function eventToProto(event: WorkEvent): Event {
  const { ageMs } = event;
  switch (event.kind) {
    case 'placed':
      return { placed: event.lease, ageMs };
    case 'first-token':
      return { firstToken: { id: event.id, cachedTokens: event.cachedTokens ?? undefined }, ageMs };
    case 'done':
      return { done: event.id, ageMs };
  }
}

/** Empty for an event that this version does not know. */
function eventFromProto({ placed, firstToken, done, ageMs }: WorkEvent__Output): WorkEvent[] {
  if (placed) return [{ kind: 'placed', lease: leaseFromProto(placed), ageMs }];
  if (firstToken)
    return [{ kind: 'first-token', id: firstToken.id, cachedTokens: firstToken.cachedTokens ?? null, ageMs }];
  return done ? [{ kind: 'done', id: done, ageMs }] : [];
}

function leaseFromProto(lease: WorkLease__Output): WorkLease {
  const { id, requestId, engineId, incarnation, tokens, uncachedTokens, chain, started, unstreamed } = lease;
  // A copy: a view would keep the whole message in memory as long as the lease lives.
  return {
    id,
    requestId,
    engineId,
    incarnation,
    tokens,
    uncachedTokens,
    chain: new Uint8Array(chain),
    started,
    unstreamed,
  };
}
