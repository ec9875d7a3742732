/** What an engine's message holds besides plain words, between the domain's words and those of `node.proto`. */
import {
  degradeStepNames,
  pressureKinds,
  standbyKinds,
  startPhases,
  type CudaGraphs as DomainGraphs,
  type EngineLoad as DomainLoad,
  type EngineStatus,
  type StartProgress as DomainProgress,
} from '../domain/engine.js';
import type { CudaGraphs__Output } from './generated/infernode/node/v1/CudaGraphs.js';
import type { Engine__Output } from './generated/infernode/node/v1/Engine.js';
import type { EngineLoad, EngineLoad__Output } from './generated/infernode/node/v1/EngineLoad.js';
import type { StartProgress, StartProgress__Output } from './generated/infernode/node/v1/StartProgress.js';
import { oneOf } from './one-of.js';

export function progressToProto({ phase, done, total, part }: DomainProgress): StartProgress {
  return { phase, part, ...(done === null ? {} : { done }), ...(total === null ? {} : { total }) };
}

export function loadToProto(load: DomainLoad): EngineLoad {
  return {
    running: load.running,
    waiting: load.waiting,
    kvCacheUsageRatio: load.kvCacheUsageRatio ?? undefined,
    kvCacheBlocks: load.kvCacheBlocks ?? undefined,
    kvBlockTokens: load.kvBlockTokens ?? undefined,
  };
}

export function progressFromProto({ phase, done, total, part }: StartProgress__Output): DomainProgress {
  return { phase: oneOf(startPhases, phase, 'launch'), done: done ?? null, total: total ?? null, part };
}

export function graphsFromProto(graphs: CudaGraphs__Output): DomainGraphs {
  return { ...graphs, state: oneOf(['captured', 'eager'] as const, graphs.state, 'eager') };
}

export function standbyOf(word: string): Pick<EngineStatus, 'standby'> {
  const standby = standbyKinds.find((kind) => kind === word);
  return standby ? { standby } : {};
}

/** A word that we do not know is left out. */
export function pressureOf({
  pressure,
  degraded,
}: Engine__Output): Pick<EngineStatus, 'pressure' | 'degraded'> {
  const kinds = pressureKinds.filter((kind) => pressure.includes(kind));
  const steps = degradeStepNames.filter((step) => degraded.includes(step));
  return {
    ...(kinds.length > 0 ? { pressure: kinds } : {}),
    ...(steps.length > 0 ? { degraded: steps } : {}),
  };
}

export function loadFromProto(load: EngineLoad__Output): DomainLoad {
  return {
    running: load.running,
    waiting: load.waiting,
    kvCacheUsageRatio: load.kvCacheUsageRatio ?? null,
    kvCacheBlocks: load.kvCacheBlocks ?? null,
    kvBlockTokens: load.kvBlockTokens ?? null,
  };
}
