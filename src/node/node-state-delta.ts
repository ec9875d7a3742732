/**
 * Differences between two states of one node, and their sum. Both work on whole objects by key, so the sum of any number
 * of deltas is never larger than the state itself: that is what bounds the buffer of a slow reader.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NodeState, NodeStateDelta } from '../domain/node-state.js';

/** The parts of the state that may change; absent means "as before". */
export type NodeStateChange = Partial<
  Pick<NodeState, 'driver' | 'cordons' | 'conditions' | 'unsupportedChecks' | 'devices' | 'engines'>
>;

/** The delta from `before` to `before` with `change`, at the next revision; `null` when nothing differs. */
export function diffNodeState(before: NodeState, change: NodeStateChange): NodeStateDelta | null {
  const driver = ifOther(before.driver, change.driver);
  const cordons = ifOther(before.cordons, change.cordons);
  const conditions = ifOther(before.conditions, change.conditions);
  const unsupportedChecks = ifOther(before.unsupportedChecks, change.unsupportedChecks);
  const devices = diffByKey(before.devices, change.devices ?? before.devices, (d) => d.identity.uuid);
  const engines = diffByKey(before.engines, change.engines ?? before.engines, (e) => e.id);
  const parts = [devices.changed, devices.removed, engines.changed, engines.removed];
  const whole = [driver, cordons, conditions, unsupportedChecks];
  if (whole.every((part) => part === null) && parts.every((part) => part.length === 0)) return null;
  return {
    epoch: before.epoch,
    baseRevision: before.revision,
    revision: before.revision + 1,
    driver,
    cordons,
    conditions,
    unsupportedChecks,
    devices: devices.changed,
    removedDevices: devices.removed,
    engines: engines.changed,
    removedEngines: engines.removed,
  };
}

/** One delta that does what `first` and then `second` do. */
export function mergeDeltas(first: NodeStateDelta, second: NodeStateDelta): NodeStateDelta {
  const devices = mergeByKey(
    first.devices,
    first.removedDevices,
    second.devices,
    second.removedDevices,
    (d) => d.identity.uuid,
  );
  const engines = mergeByKey(
    first.engines,
    first.removedEngines,
    second.engines,
    second.removedEngines,
    (e) => e.id,
  );
  return {
    epoch: second.epoch,
    baseRevision: first.baseRevision,
    revision: second.revision,
    driver: second.driver ?? first.driver,
    cordons: second.cordons ?? first.cordons,
    conditions: second.conditions ?? first.conditions,
    unsupportedChecks: second.unsupportedChecks ?? first.unsupportedChecks,
    devices: devices.changed,
    removedDevices: devices.removed,
    engines: engines.changed,
    removedEngines: engines.removed,
  };
}

/** `null`: not given, or as before. */
function ifOther<T>(before: T, now: T | undefined): T | null {
  return now !== undefined && !isDeepStrictEqual(now, before) ? now : null;
}

interface KeyedDelta<T> {
  changed: T[];
  removed: string[];
}

function diffByKey<T>(before: readonly T[], after: readonly T[], keyOf: (item: T) => string): KeyedDelta<T> {
  if (before === after) return { changed: [], removed: [] };
  const old = new Map(before.map((item) => [keyOf(item), item]));
  const kept = new Set(after.map(keyOf));
  return {
    changed: after.filter((item) => !isDeepStrictEqual(old.get(keyOf(item)), item)),
    removed: [...old.keys()].filter((key) => !kept.has(key)),
  };
}

function mergeByKey<T>(
  changed: readonly T[],
  removed: readonly string[],
  laterChanged: readonly T[],
  laterRemoved: readonly string[],
  keyOf: (item: T) => string,
): KeyedDelta<T> {
  const items = new Map(changed.map((item) => [keyOf(item), item]));
  const gone = new Set(removed);
  for (const key of laterRemoved) {
    items.delete(key);
    gone.add(key);
  }
  for (const item of laterChanged) {
    items.set(keyOf(item), item);
    gone.delete(keyOf(item));
  }
  return { changed: [...items.values()], removed: [...gone] };
}
