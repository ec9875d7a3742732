// Starts of the simulated vLLM under a real keeper: phases are told as they come, graphs are verified, and what failed is done
// differently the next time: fewer graphs, a fresh compile cache.
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAgentProbes } from '../../src/agent-probes.js';
import { agentSchema, type TemplateConfig } from '../../src/config/agent-config.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { BatchSizes } from '../../src/engine/batch-sizes.js';
import { VllmAdapter } from '../../src/engine/vllm-adapter.js';
import { systemClock } from '../../src/runtime/clock.js';
import { aFleet, aTemplate, type FleetCase } from '../support/engine-fleet.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { deviceUuid } from '../support/node-fixtures.js';
import { mainFile } from '../support/running-up.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

/** A fleet with one engine of the simulated vLLM on device 0. */
async function start(
  env: Record<string, string>,
  args: string[] = [],
  overrides: Partial<TemplateConfig> = {},
): Promise<FleetCase> {
  current = aFleet(
    {},
    {
      templates: {
        chat: aTemplate(
          {},
          {
            model: 'org/llama-8b',
            command: [process.execPath, mainFile, 'sim', 'engine'],
            args,
            env: { INFERNODE_SIM_LOAD_MS: '200', ...env },
            ...overrides,
          },
        ),
      },
    },
  );
  await current.fleet.start();
  return current;
}

const statuses = ({ history }: FleetCase): EngineStatus[] =>
  history.filter((change): change is EngineStatus => 'state' in change);

const hasGraphs = ({ graphs }: EngineStatus): boolean => Boolean(graphs);

const fault = (value: object): Record<string, string> => ({ INFERNODE_SIM_FAULT: JSON.stringify(value) });

describe('a start', () => {
  it('tells its phases and what became of its graphs', async () => {
    const fleet = await start({ INFERNODE_SIM_LOAD_MS: '3000' });
    const ready = await fleet.until('ready', hasGraphs);
    expect(ready).toMatchObject({
      reason: '',
      progress: null,
      graphs: { state: 'captured', count: 102, degradeStep: 0, mode: 'PIECEWISE + FULL' },
    });
    expect(ready.graphs?.memoryBytes).toBeGreaterThan(0);
    const loading = statuses(fleet).filter(({ progress }) => progress?.phase === 'weights');
    expect(loading.map(({ reason }) => reason).join()).toMatch(/loading: weights/);
    expect(await fleet.metric('infernode_engine_graphs_captured')).toBe(102);
    expect(await fleet.metric('infernode_engine_eager')).toBe(0);
  });

  it('that ends without graphs says so loudly', async () => {
    const fleet = await start({}, ['--compilation-config', '{"cudagraph_mode":"NONE"}']);
    const ready = await fleet.until('ready', hasGraphs);
    expect(ready.reason).toMatch(/^eager fallback: Skipping CUDA graph capture/);
    expect(await fleet.metric('infernode_engine_eager')).toBe(1);
  });

  it('that was asked to be eager is as configured', async () => {
    const fleet = await start({}, ['--enforce-eager']);
    const ready = await fleet.until('ready', hasGraphs);
    expect(ready).toMatchObject({ reason: '', graphs: { state: 'eager' } });
  });
});

describe('sizes that were seen', () => {
  it('are captured by the next start, and counted out of the iteration histogram', async () => {
    const fleet = await start({}, [], { captureSizes: 'seen' });
    expect((await fleet.until('ready', hasGraphs)).graphs?.count).toBe(102);
    await fleet.fleet.stopEngine('chat-0');
    await fleet.until('stopped');
    const engineDirectory = join(fleet.directory, 'engines', 'chat-0');
    // The agent before notes what it has when it ends.
    await fleet.fleet.close();
    const kept = new BatchSizes(engineDirectory, 'boot', systemClock);
    Object.assign(kept.counts, { 1: 500, 6: 400 });
    await kept.flush();
    current = await fleet.nextAgent();
    await current.fleet.start();
    await current.fleet.startEngine({ engineId: 'chat-0' });
    const { url, graphs } = await current.until('ready', hasGraphs);
    // Two sizes, each once for each kind.
    expect(graphs?.count).toBe(4);
    await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'org/llama-8b', prompt: 'x', max_tokens: 8, ignore_eos: true }),
    });
    const page = await (await fetch(`${url}/metrics`)).text();
    const [single] = new VllmAdapter(systemClock).parseProgress(page).stepSizes ?? [];
    expect(single?.tokens).toBe(1);
    expect(single?.steps).toBeGreaterThanOrEqual(7);
  });
});

describe('a capture that fails', () => {
  it.each(['graphs', 'capture'])(
    'with cause %s goes down the ladder to eager, one step a start',
    async (cause) => {
      const fleet = await start(fault({ fault: 'refuse-start', cause }));
      const ready = await fleet.until('ready', hasGraphs);
      expect(ready).toMatchObject({
        incarnation: '4',
        reason: 'CUDA graphs: eager (step 3 of 3)',
        graphs: { state: 'eager', degradeStep: 3 },
      });
      const failures = statuses(fleet).filter(
        ({ state, reason }) => state === 'failed' && /step/.test(reason),
      );
      const steps = failures.map(({ reason }) => /fewer sizes|fewer kinds|eager/.exec(reason)?.[0]);
      expect([...new Set(steps)]).toEqual(['fewer sizes', 'fewer kinds', 'eager']);
      // The step outlives the agent, and only a new configuration undoes it.
      await fleet.fleet.stopEngine('chat-0');
      await fleet.until('stopped');
      const next = await fleet.nextAgent();
      current = next;
      await next.fleet.start();
      await next.fleet.startEngine({ engineId: 'chat-0' });
      expect((await next.until('ready', hasGraphs)).graphs).toMatchObject({
        degradeStep: 3,
      });
    },
  );
});

describe('a compile cache that is damaged', () => {
  it('is cleared once, and the next start compiles anew', async () => {
    const fleet = await start({});
    await fleet.until('ready');
    await fleet.fleet.stopEngine('chat-0');
    await fleet.until('stopped');
    const template = aTemplate(
      {},
      {
        model: 'org/llama-8b',
        command: [process.execPath, mainFile, 'sim', 'engine'],
        env: { INFERNODE_SIM_LOAD_MS: '200', ...fault({ fault: 'compile-cache' }) },
      },
    );
    fleet.fleet.updateTemplates({ chat: template });
    await fleet.fleet.startEngine({ engineId: 'chat-0' });
    expect((await fleet.until('ready', ({ incarnation }) => incarnation === '3')).reason).toBe('');
    expect(
      statuses(fleet)
        .map(({ reason }) => reason)
        .join('\n'),
    ).toMatch(/failed to compile the model.*; the compile cache was cleared; next start/);
    expect(await fleet.metric('infernode_engine_compile_caches_cleared_total')).toBe(1);
  });
});

describe('with a probe before each start', () => {
  it('an engine waits for a device that computes wrongly, and starts when it computes rightly', async () => {
    const device = `uuid ${deviceUuid(0)}`;
    const cuda = new SimulatedCuda(device, 'corrupt launch:infernode_probe_fill');
    vi.stubEnv('INFERNODE_CUDA_SIM', cuda.scenarioPath);
    onTestFinished(() => (vi.unstubAllEnvs(), cuda.remove()));
    const stateDir = cuda.directory;
    const config = agentSchema.parse({
      stateDir,
      health: { probe: { library: cuda.library, beforeStart: 'on', memoryMiB: 1, timeLimitMs: 60_000 } },
    });
    const { preflight } = createAgentProbes({
      ...{ config, clock: systemClock, logger: silentLogger(), registry: new Registry() },
    });
    current = aFleet({}, { inputs: { preflight: preflight! } });
    await current.fleet.start();
    const { reason } = await current.until('failed', (status) => status.reason.includes('failed its probe'));
    expect(reason).toMatch(new RegExp(`not started: device ${deviceUuid(0)} failed its probe: .*pattern`));
    cuda.scenario(device);
    await current.until('ready');
  });
});
