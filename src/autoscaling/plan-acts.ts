/** From a decision to what is done to engines: which wake or start, and which goes. Pure. */
import type { ScalingDecision } from './scaling-types.js';

/** One engine of the model as an actuator sees it. */
export interface ActorView {
  /** `node/engine`. */
  id: string;
  state: string;
  /** The agent started it and may signal it. */
  supervised: boolean;
  /** Nobody holds it back: no cordon, no bad device, no standby for another, its agent speaks. */
  free: boolean;
  /** Requests in flight, and prompt tokens before their first token. */
  inFlight: number;
  unprefilledTokens: number;
  /** Prompt blocks that its cache is thought to hold. */
  cachedBlocks: number;
}

export type Act = { act: 'wake' | 'start' | 'release'; id: string };

/** In one round; the next is seconds away. */
export const maxActsPerRound = 4;

/**
 * `underWay` are engines with an act that does not show in their state yet; they count as done. Up: the sleeping first, for they serve within
 * seconds. Down: the least work first, then the coldest cache; whole fleets of engines that nobody supervises are left alone.
 */
export function planActs(
  { desired, next }: Pick<ScalingDecision, 'desired' | 'next'>,
  engines: readonly ActorView[],
  underWay: ReadonlyMap<string, Act['act']>,
): Act[] {
  const acting = (kind: (act: Act['act']) => boolean): number => [...underWay.values()].filter(kind).length;
  const current = engines.filter(({ state }) => state === 'ready' || state === 'starting').length;
  const coming = current + acting((act) => act !== 'release') - acting((act) => act === 'release');
  const idle = engines.filter(({ id, free, supervised }) => free && supervised && !underWay.has(id));
  if (next > coming) {
    const asleep = idle.filter(({ state }) => state === 'asleep').map(({ id }): Act => ({ act: 'wake', id }));
    const stopped = idle
      .filter(({ state }) => state === 'stopped')
      .map(({ id }): Act => ({ act: 'start', id }));
    return [...asleep, ...stopped].slice(0, Math.min(next - coming, maxActsPerRound));
  }
  const surplus = Math.min(coming - desired, maxActsPerRound);
  if (surplus <= 0) return [];
  return idle
    .filter(({ state }) => state === 'ready')
    .sort(byLeastLoss)
    .slice(0, surplus)
    .map(({ id }): Act => ({ act: 'release', id }));
}

function byLeastLoss(a: ActorView, b: ActorView): number {
  return (
    a.inFlight - b.inFlight ||
    a.unprefilledTokens - b.unprefilledTokens ||
    a.cachedBlocks - b.cachedBlocks ||
    (a.id < b.id ? -1 : 1)
  );
}
