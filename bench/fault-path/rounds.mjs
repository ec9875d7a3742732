// One fault each, on a cluster under load, followed to its end and healed.
import { addXid, addXidEffects, loseDevice, resetDevice } from '../../dist/sim/gpu-edits.js';
import { editScenario } from '../../dist/sim/gpu-scenario.js';
import { treeOf, untilGone } from './process-tree.mjs';

/** As `infernode sim gpu reset` does: long enough that the agent's next sample sees the GPU off the bus. */
const resetTakesMs = 1500;
/** Between the long prompts and the fault: they are at an engine, and not through their prefill. */
const burstLeadMs = 60;
const settleLimitMs = 20_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const positionOf = (scenario, uuid) => scenario.devices.findIndex((device) => device.uuid === uuid);

/** All steps in ms after the injection, those named `reset...` after the reset; `null`: not seen. */
export async function xidRound(cluster, victim, { waiting, effects }) {
  const { nodes, coordinator } = cluster;
  const { uuid, endpoint, scenarioDir } = victim;
  const { tree, counted } = await prepare(cluster, victim, waiting);
  const t0 = performance.now();
  const seen = {
    // Begins to look before the edit returns: nothing can be missed.
    unhealthy: nodes.until((view) => isCordoned(view.device(uuid))),
    evicting: nodes.until(
      (view) => view.engine(endpoint).evicting || view.engine(endpoint).state !== 'ready',
    ),
    ineligible: coordinator.until(endpoint, false),
  };
  editScenario(scenarioDir, (scenario) => {
    const position = positionOf(scenario, uuid);
    addXid(scenario, position, 79);
    if (effects) addXidEffects(scenario, position, 79);
  });
  const injectedMs = performance.now();
  seen.agentSaysGone = nodes.until((view) => isOver(view.engine(endpoint)), settleLimitMs);
  const steps = await stepsSince(t0, seen, untilGone(tree, scenarioDir, uuid));
  await requestsEnded(counted);
  return {
    editMs: injectedMs - t0,
    ...withClients(steps, counted, t0),
    ...(await resetSteps(cluster, victim)),
  };
}

/** `again`: killed before in this run, so that the agent's restart back-off is at work, which is reported by itself. */
export async function killRound(cluster, victim, { waiting, again }) {
  const { nodes, coordinator } = cluster;
  const { uuid, endpoint, scenarioDir } = victim;
  const { tree, counted } = await prepare(cluster, victim, waiting);
  const { pid, incarnation } = nodes.engine(endpoint);
  const t0 = performance.now();
  const seen = {
    evicting: nodes.until(
      (view) => view.engine(endpoint).evicting || view.engine(endpoint).state !== 'ready',
    ),
    ineligible: coordinator.until(endpoint, false),
  };
  process.kill(pid, 'SIGKILL');
  const starts = nodes.until((view) => isNewAnd(view.engine(endpoint), incarnation, 'starting'));
  const ready = nodes.until((view) => isNewAnd(view.engine(endpoint), incarnation, 'ready'));
  const steps = await stepsSince(t0, seen, untilGone(tree, scenarioDir, uuid));
  const [startingMs, readyMs] = [await starts, await ready];
  const eligibleMs = await coordinator.until(endpoint, true);
  await requestsEnded(counted);
  const starting = since(t0, startingMs);
  const eligible = since(t0, eligibleMs);
  const eligibleLessLoad = lessLoad(t0, startingMs, readyMs, eligibleMs);
  return {
    ...withClients(steps, counted, t0),
    load: since(startingMs, readyMs),
    ...(again ? { startingAgain: starting } : { starting, eligible, eligibleLessLoad }),
  };
}

/** Waits for a whole cluster with streams on the victim, and sends the long prompts. */
async function prepare({ nodes, coordinator, clients }, { endpoint }, waiting) {
  if ((await coordinator.until(endpoint, true, settleLimitMs)) === null)
    throw new Error(`${endpoint} did not become eligible`);
  await sleep(500);
  const begunThere = () => [...clients.inFlight].filter((r) => r.endpoint === endpoint).length;
  for (const endMs = performance.now() + settleLimitMs; begunThere() === 0 && performance.now() < endMs;)
    await sleep(20);
  const tree = treeOf(nodes.engine(endpoint).pid);
  clients.burst(waiting);
  await sleep(burstLeadMs);
  return { tree, counted: [...clients.inFlight] };
}

async function resetSteps({ nodes, coordinator }, { uuid, endpoint, scenarioDir }) {
  const { incarnation } = nodes.engine(endpoint);
  editScenario(scenarioDir, (scenario) => loseDevice(scenario, positionOf(scenario, uuid)));
  await sleep(resetTakesMs);
  const t0 = performance.now();
  const healthy = nodes.until((view) => view.device(uuid).health === 'healthy');
  const starting = nodes.until((view) => isNewAnd(view.engine(endpoint), incarnation, 'starting'));
  const ready = nodes.until((view) => isNewAnd(view.engine(endpoint), incarnation, 'ready'));
  editScenario(scenarioDir, (scenario) => resetDevice(scenario, positionOf(scenario, uuid)));
  const [healthyMs, startingMs, readyMs] = await Promise.all([healthy, starting, ready]);
  const eligibleMs = await coordinator.until(endpoint, true);
  return {
    resetHealthy: since(t0, healthyMs),
    resetStarting: since(t0, startingMs),
    load: since(startingMs, readyMs),
    resetReady: since(t0, readyMs),
    resetEligible: since(t0, eligibleMs),
    resetEligibleLessLoad: lessLoad(t0, startingMs, readyMs, eligibleMs),
  };
}

async function stepsSince(t0, seen, gone) {
  const steps = {};
  for (const [name, moment] of Object.entries(seen)) steps[name] = since(t0, await moment);
  const { deadMs, freeMs } = await gone;
  return { ...steps, treeDead: since(t0, deadMs), memoryFree: since(t0, freeMs) };
}

async function requestsEnded(counted) {
  while (counted.some(({ endMs }) => endMs === null)) await sleep(10);
}

/**
 * Adds what the clients saw that were in flight at the injection (lists: one number per request). The coordinator's first
 * act is the earlier of two things that it does with the same news: GetCluster takes a moment to answer.
 */
function withClients(steps, counted, t0) {
  const begun = counted.filter(({ firstByteMs }) => firstByteMs !== null && firstByteMs <= t0);
  const coded = begun.filter(({ outcome }) => outcome === 'coded').map(({ codedMs }) => codedMs - t0);
  const waited = counted.filter(({ outcome, firstByteMs }) => outcome === 'well' && firstByteMs > t0);
  const firstBytes = (list) => list.map(({ firstByteMs }) => firstByteMs - t0);
  const firstCoded = coded.length > 0 ? Math.min(...coded) : null;
  return {
    ...steps,
    firstAct: Math.min(steps.ineligible ?? Infinity, firstCoded ?? Infinity),
    firstCoded,
    coded,
    rerouted: firstBytes(waited.filter(({ attempts }) => attempts > 1)),
    untouched: firstBytes(waited.filter(({ attempts, long }) => attempts === 1 && long)),
  };
}

const isCordoned = ({ health, cordons }) =>
  health === 'unhealthy' && cordons.some(({ holder }) => holder.startsWith('health:'));
const isOver = ({ state }) => state === 'stopped' || state === 'failed';
const isNewAnd = (engine, before, state) => engine.incarnation !== before && engine.state === state;
const since = (t0, moment) => (moment === null || t0 === null ? null : moment - t0);
const lessLoad = (t0, startingMs, readyMs, eligibleMs) =>
  [startingMs, readyMs, eligibleMs].includes(null) ? null : startingMs - t0 + (eligibleMs - readyMs);
