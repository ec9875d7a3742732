/** Deaths of engines between the domain's words and the messages of `node.proto`; reading is lenient. */
import {
  stopOutcomes,
  stopSteps,
  type DeathRecord,
  type EngineDeath as DomainDeath,
} from '../domain/engine-death.js';
import type {
  DeathRecord as WireRecord,
  DeathRecord__Output,
} from './generated/infernode/node/v1/DeathRecord.js';
import type { EngineDeath, EngineDeath__Output } from './generated/infernode/node/v1/EngineDeath.js';

export function deathToProto({
  incarnation,
  cause,
  reason,
  atMs,
  lostWork,
  suspectedPoison,
}: DomainDeath): EngineDeath {
  return { incarnation, cause, reason, atUnixMs: atMs, lostWork, suspectedPoison };
}

export function deathFromProto(death: EngineDeath__Output): DomainDeath {
  const { incarnation, cause, reason, atUnixMs, lostWork, suspectedPoison } = death;
  return { incarnation, cause, reason, atMs: atUnixMs, lostWork, suspectedPoison };
}

export function deathRecordToProto(record: DeathRecord): WireRecord {
  const { exit, readyForMs, stop } = record;
  return {
    death: deathToProto(record),
    ...(typeof exit?.code === 'number' ? { exitCode: exit.code } : {}),
    exitSignal: exit?.signal ?? '',
    ...(readyForMs === null ? {} : { readyForMs }),
    stopOutcome: stop?.outcome ?? '',
    stopTookMs: stop?.tookMs ?? 0,
    stopSteps: stop?.steps ?? [],
  };
}

export function deathRecordFromProto(record: DeathRecord__Output): DeathRecord {
  const { death, exitCode, exitSignal, readyForMs, stopOutcome, stopTookMs } = record;
  const empty: DomainDeath = {
    incarnation: '',
    cause: 'unknown',
    reason: '',
    atMs: 0,
    lostWork: [],
    suspectedPoison: [],
  };
  const steps = record.stopSteps.flatMap(({ step, ...rest }) => {
    const known = stopSteps.find((name) => name === step);
    return known ? [{ step: known, ...rest }] : [];
  });
  const outcome = stopOutcomes.find((name) => name === stopOutcome);
  return {
    ...(death ? deathFromProto(death) : empty),
    exit:
      exitCode === undefined && exitSignal === ''
        ? null
        : { code: exitCode ?? null, signal: exitSignal || null },
    readyForMs: readyForMs ?? null,
    stop: outcome ? { outcome, detail: '', tookMs: stopTookMs, steps } : null,
  };
}
