/** Fleets with real keepers and real fake engines, in a directory of their own that leaves no process behind. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { agentSchema, type TemplateConfig } from '../../src/config/agent-config.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import type { EngineFleetOptions } from '../../src/engine/engine-fleet-options.js';
import { EngineFleet } from '../../src/engine/engine-fleet.js';
import { EngineMetrics } from '../../src/engine/engine-metrics.js';
import { nativePath } from '../../src/native/native-paths.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { deviceUuid } from './node-fixtures.js';
import { eventually, processesOf } from './running-up.js';

const fakeEngine = new URL('fake-engine.mjs', import.meta.url).pathname;

/** Another build of the keeper, such as one with sanitizers, can be put under the same tests. */
export function keeperPath(): string {
  return process.env['INFERNODE_TEST_KEEPER'] ?? nativePath('infernode-keeper');
}

export interface FakePlan {
  readyAfterMs?: number;
  exit?: { afterMs: number; code: number };
  ignoreTerm?: boolean;
  child?: 'plain' | 'stubborn';
  flood?: number;
  floodStderr?: number;
  sharedFile?: string;
}

export interface FleetCase {
  directory: string;
  fleet: EngineFleet;
  registry: Registry;
  /** Every status of every engine, in order, and removals. */
  history: (EngineStatus | { removed: string })[];
  /** The next agent process over the same state directory; the fleet before is closed and its engines go on. */
  nextAgent(overrides?: Partial<EngineFleetOptions>): Promise<FleetCase>;
  status(id?: string): EngineStatus;
  /** Waits until the engine is in the state and the condition holds. */
  until(state: EngineStatus['state'], condition?: (status: EngineStatus) => boolean): Promise<EngineStatus>;
  runDir(incarnation: number, id?: string): string;
  metric(name: string): Promise<number>;
  /** Stops engines, ends whatever still lives, removes the directory. */
  clear(): Promise<void>;
}

export function aTemplate(plan: FakePlan = {}, overrides: Partial<TemplateConfig> = {}): TemplateConfig {
  const { templates } = agentSchema.parse({
    templates: {
      chat: {
        model: 'fake-model',
        command: [process.execPath, fakeEngine],
        env: { FAKE_ENGINE: JSON.stringify(plan) },
        stopGraceMs: 2000,
        drainTimeoutMs: 20_000,
        ...overrides,
      },
    },
  });
  return templates['chat']!;
}

export function aFleet(plan: FakePlan = {}, overrides: Partial<EngineFleetOptions> = {}): FleetCase {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-engine-'));
  chmodSync(directory, 0o700);
  return fleetIn(directory, plan, overrides);
}

function fleetIn(directory: string, plan: FakePlan, overrides: Partial<EngineFleetOptions>): FleetCase {
  const registry = new Registry();
  const history: FleetCase['history'] = [];
  const fleet = new EngineFleet({
    nodeName: 'node-a',
    templates: { chat: aTemplate(plan) },
    engines: [{ id: 'chat-0', origin: 'supervised', template: 'chat', devices: [0], autostart: true }],
    stateDir: directory,
    clock: systemClock,
    logger: silentLogger(),
    metrics: new EngineMetrics(registry, 'node-a'),
    keeperPath: keeperPath(),
    resolveDevice: (ref) => (/^\d$/.test(ref) ? deviceUuid(Number(ref)) : ref),
    freeDevices: () => [0, 1, 2, 3].map(deviceUuid),
    devicesReleased: async () => true,
    ...overrides,
    settings: { backoffBaseMs: 50, stuckRecheckMs: 50, releaseLimitMs: 300, ...overrides.settings },
  });
  fleet.onChange((change) => history.push(change));
  const status = (id = 'chat-0'): EngineStatus => {
    const found = fleet.list().find((engine) => engine.id === id);
    if (!found) throw new Error(`no engine ${id}`);
    return found;
  };
  return {
    directory,
    fleet,
    registry,
    history,
    status,
    async nextAgent(next = {}) {
      await fleet.close();
      return fleetIn(directory, plan, { ...overrides, ...next });
    },
    until: (state, condition = () => true) =>
      eventually(
        `the engine is ${state}`,
        () => fleet.list().find((engine) => engine.state === state && condition(engine)),
        30_000,
      ).catch((error: unknown) => {
        throw new Error(`last seen: ${JSON.stringify(fleet.list())}`, { cause: error });
      }),
    runDir: (incarnation, id = 'chat-0') => join(directory, 'engines', id, 'runs', String(incarnation)),
    async metric(name) {
      const metric = await registry.getSingleMetric(name)?.get();
      return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
    },
    async clear() {
      await fleet.close({ stopEngines: true });
      await noProcessLeft(directory).finally(() => processesOf(directory).forEach(killQuietly));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Processes of runs in the directory, keepers included, by command line, working directory or the mark of the run. */
export function processesIn(directory: string): number[] {
  return processesOf(directory);
}

/** For what a failed test left behind. */
function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone by itself.
  }
}

/** A keeper ends itself a moment after it has told that its tree is empty. */
export async function noProcessLeft(directory: string): Promise<void> {
  await eventually(`no process of ${directory} is left`, () => processesOf(directory).length === 0, 10_000);
}

/** Pid of the child that a fake engine started, from its log. */
export function childPidOf(runDir: string): number {
  const match = /child (\d+)/.exec(readFileSync(join(runDir, 'engine.log'), 'utf8'));
  if (!match) throw new Error('the fake engine has told of no child');
  return Number(match[1]);
}

/** Ended; a zombie that its new parent has not reaped yet holds nothing any more. */
export function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
