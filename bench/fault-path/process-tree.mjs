// The engine's processes and GPU memory, as the machine itself shows them: not what the agent says of them.
import { readdirSync, readFileSync } from 'node:fs';
import { GpuNode } from '../../dist/sim/engine/gpu-node.js';
import { readStartTime } from '../../dist/sim/engine/process-file.js';

const pollMs = 10;

/** The process and everything below it, each with its start time, for pids come again. */
export function treeOf(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const pids = [pid];
  for (let i = 0; i < pids.length; i++) pids.push(...(children.get(pids[i]) ?? []));
  return pids.map((each) => ({ pid: each, startTime: readStartTime(each) }));
}

function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}

/** Moment at which every process is gone, and then that no process holds memory of the device; `null` after the limit. */
export async function untilGone(tree, scenarioDir, uuid, limitMs = 60_000) {
  const gpus = new GpuNode(scenarioDir);
  const endMs = performance.now() + limitMs;
  let [deadMs, freeMs] = [null, null];
  while ((deadMs === null || freeMs === null) && performance.now() < endMs) {
    if (tree.every(({ pid, startTime }) => startTime === null || readStartTime(pid) !== startTime))
      deadMs ??= performance.now();
    // Before the tree is dead a free device would only mean that it has not been filled yet.
    if (deadMs !== null && gpus.usedBytes(uuid) === 0) freeMs = performance.now();
    else await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return { deadMs, freeMs };
}
