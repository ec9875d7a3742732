/**
 * What a node's next message makes of what is known of it. Pure. Within one epoch a delta changes the revision that it
 * names and no other; anything else means that something was missed, and the caller asks for a new snapshot instead of
 * guessing. A new epoch is a new agent process: its snapshot replaces, it never merges.
 */
import type { NodeState, NodeStateDelta, NodeStateUpdate } from '../domain/node-state.js';

export interface AppliedUpdate {
  /** What holds now; the old state where nothing could be applied. */
  state: NodeState | null;
  changed: boolean;
  /** Why a new snapshot is needed; `null` when it is not. */
  missed: string | null;
}

export function applyNodeState(state: NodeState | null, update: NodeStateUpdate): AppliedUpdate {
  switch (update.kind) {
    case 'snapshot':
      return { state: update.state, changed: true, missed: null };
    case 'delta': {
      const missed = whyNot(state, update.delta, update.delta.baseRevision);
      if (missed !== null || state === null) return { state, changed: false, missed };
      return { state: applyDelta(state, update.delta), changed: true, missed: null };
    }
    case 'work':
      return { state, changed: false, missed: null };
    case 'heartbeat':
      return { state, changed: false, missed: whyNot(state, update, update.revision) };
  }
}

function whyNot(state: NodeState | null, { epoch }: { epoch: string }, revision: number): string | null {
  if (state === null) return 'a snapshot must come first';
  if (epoch !== state.epoch) return `epoch ${epoch} without a snapshot, known is ${state.epoch}`;
  if (revision !== state.revision) return `revision ${revision} was missed, known is ${state.revision}`;
  return null;
}

function applyDelta(state: NodeState, delta: NodeStateDelta): NodeState {
  return {
    ...state,
    revision: delta.revision,
    driver: delta.driver ?? state.driver,
    cordons: delta.cordons ?? state.cordons,
    conditions: delta.conditions ?? state.conditions,
    unsupportedChecks: delta.unsupportedChecks ?? state.unsupportedChecks,
    devices: mergeByKey(state.devices, delta.devices, delta.removedDevices, (d) => d.identity.uuid),
    engines: mergeByKey(state.engines, delta.engines, delta.removedEngines, (e) => e.id),
  };
}

/** Keeps the order; what is new comes last. */
function mergeByKey<T>(before: T[], changed: T[], removed: string[], keyOf: (item: T) => string): T[] {
  if (changed.length === 0 && removed.length === 0) return before;
  const items = new Map(before.map((item) => [keyOf(item), item]));
  for (const key of removed) items.delete(key);
  for (const item of changed) items.set(keyOf(item), item);
  return [...items.values()];
}
