/**
 * The agent's real sampler and fleet over the simulated driver, with simulated vLLM servers of two workers each: an API
 * server killed from outside leaves orphans that hold GPU memory for a while; the next start waits for the proof that it is
 * free. An agent that goes and another that comes cost a running stream nothing.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  areDevicesReleased,
  createAgentParts,
  type EngineFleetPart,
  type SamplerPart,
} from '../../src/agent-parts.js';
import { agentSchema, type AgentConfig } from '../../src/config/agent-config.js';
import { emptyReading, type DeviceStatus, type NodeSample } from '../../src/domain/device.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { readBootId, startTimeOf } from '../../src/runtime/process-identity.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { createSimulatedNode } from '../../src/sim/gpu-scenario.js';
import { aFleet, isGone, noProcessLeft } from '../support/engine-fleet.js';
import { eventually, mainFile } from '../support/running-up.js';

const releaseDelayMs = 700;
const parts = createAgentParts();
let directory: string;
let gpuDirectory: string;
let config: AgentConfig;
let sampler: SamplerPart;
let fleet: EngineFleetPart;
let history: EngineStatus[] = [];
let latest: NodeSample | null = null;

function devices(): DeviceStatus[] {
  return (latest?.devices ?? []).map(({ identity, reading }) => ({
    identity,
    health: 'healthy',
    healthSinceMs: 0,
    severity: null,
    action: 'none',
    reason: '',
    conditions: [],
    cordons: [],
    reading: { ...emptyReading, ...reading },
    sampleAgeMs: 0,
  }));
}

/** A fleet as `agent.ts` makes it. */
async function nextFleet(args: string[] = []): Promise<void> {
  const template = { ...config.templates['chat']!, args: [...config.templates['chat']!.args, ...args] };
  fleet = parts.createFleet({
    config: { ...config, templates: { chat: template } },
    clock: systemClock,
    logger: silentLogger(),
    registry: new Registry(),
    bootId: readBootId(),
    sampler,
    devices,
  });
  history = [];
  fleet.onChange(() => history.push(...fleet.list()));
  fleet.applyDeviceStatus(devices());
  await fleet.start();
}

function until(state: EngineStatus['state'], incarnation: string): Promise<EngineStatus> {
  return eventually(`engine is ${state} in incarnation ${incarnation}`, () =>
    fleet.list().find((engine) => engine.state === state && engine.incarnation === incarnation),
  ).catch((error: unknown) => {
    throw new Error(`last seen: ${JSON.stringify(fleet.list())}`, { cause: error });
  });
}

/** Processes that the simulated driver lists. */
function holders(): { pid: number; name: string }[] {
  const folder = join(gpuDirectory, 'processes');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number; name: string });
}

/** What the driver itself says, read after the question. */
async function driverPids(): Promise<number[]> {
  const sample = await sampler.sampleNow();
  if (!sample) throw new Error('the driver did not answer');
  return sample.devices.flatMap((device) => (device.processes ?? []).map(({ pid }) => pid));
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-supervision-'));
  gpuDirectory = join(directory, 'gpu');
  const { libraryPath } = createSimulatedNode(gpuDirectory, { gpus: 2, profile: 'H100-80', seed: 1 });
  config = agentSchema.parse({
    node: { name: 'node-a', machineId: 'm' },
    stateDir: join(directory, 'state'),
    nvml: { library: libraryPath, sampleIntervalMs: 200 },
    templates: {
      chat: {
        model: 'meta-llama/Llama-3.1-8B-Instruct',
        command: [process.execPath, mainFile, 'sim', 'engine'],
        args: ['--tensor-parallel-size', '2'],
        env: {
          INFERNODE_SIM_NODE_DIR: gpuDirectory,
          INFERNODE_SIM_LOAD_MS: '100',
          INFERNODE_SIM_ITL_MS: '20',
          INFERNODE_SIM_RELEASE_DELAY_MS: String(releaseDelayMs),
        },
        gpus: 2,
        stopGraceMs: 8000,
      },
    },
    engines: [{ id: 'chat-0', template: 'chat', devices: [0, 1] }],
  });
  mkdirSync(config.stateDir);
  sampler = parts.createSampler({
    config,
    clock: systemClock,
    logger: silentLogger(),
    registry: new Registry(),
  });
  sampler.onSample((sample) => {
    latest = sample;
    if (history.length > 0) fleet.applyDeviceStatus(devices());
  });
  await sampler.start();
  await eventually('the simulated driver lists its GPUs', () => devices().length === 2);
});
afterEach(async () => {
  await fleet?.close({ stopEngines: true });
  rmSync(join(config.stateDir, 'engines'), { recursive: true, force: true });
});
afterAll(async () => {
  await sampler.close();
  await noProcessLeft(directory);
  rmSync(directory, { recursive: true, force: true });
});

describe('an API server killed from outside', () => {
  it('takes its orphans along; the next start waits until their GPU memory is free', async () => {
    await nextFleet();
    const { pid } = await until('ready', '1');
    const workers = holders();
    expect(workers.map(({ name }) => name).sort()).toEqual(['VLLM::Worker_TP0', 'VLLM::Worker_TP1']);
    process.kill(pid!, 'SIGKILL');
    const crashed = await eventually('the crash is told', () =>
      history.find(({ state }) => state === 'failed'),
    );
    expect(crashed).toMatchObject({ evicting: true, pid: null });
    await eventually('the next start', () => fleet.list()[0]?.incarnation === '2');
    expect(workers.every((worker) => isGone(worker.pid))).toBe(true);
    const left = await driverPids();
    expect(workers.filter(({ pid }) => left.includes(pid))).toEqual([]);
    expect(await until('ready', '2')).toMatchObject({ restarts: 1, evicting: false });
  });
});

describe('an agent that goes and another that comes', () => {
  it('cost a running stream nothing', async () => {
    await nextFleet();
    const { url, pid } = await until('ready', '1');
    const response = await request(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'meta-llama/Llama-3.1-8B-Instruct',
        prompt: 'hello',
        max_tokens: 60,
        ignore_eos: true,
        stream: true,
      }),
    });
    let text = '';
    const chunks = response.body[Symbol.asyncIterator]();
    text += String((await chunks.next()).value);
    await fleet.close({ stopEngines: false });
    await nextFleet();
    expect(fleet.list()).toMatchObject([{ state: 'ready', pid, incarnation: '1', restarts: 0 }]);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) text += String(next.value);
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
    expect(text).not.toContain('"error"');
  });
});

describe('a process that forks away', () => {
  it('is ended with its engine, although parent, session and environment are not the run’s', async () => {
    await nextFleet();
    const { url } = await until('ready', '1');
    const raised = await request(`${url}/sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'fork-away' }),
    });
    await raised.body.dump();
    const log = join(config.stateDir, 'engines', 'chat-0', 'runs', '1', 'engine.log');
    const stray = await eventually('it tells of the process', () =>
      Number(/forked away: process (\d+)/.exec(readFileSync(log, 'utf8'))?.[1] ?? 0),
    );
    expect(isGone(stray)).toBe(false);
    await fleet.stopEngine('chat-0');
    await until('stopped', '1');
    expect(isGone(stray)).toBe(true);
  });
});

describe('memory that somebody else holds on the device', () => {
  it('keeps the engine waiting, with figures, until it is free', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
    try {
      const folder = join(gpuDirectory, 'processes');
      mkdirSync(folder, { recursive: true });
      writeFileSync(
        join(folder, `${stranger.pid}.json`),
        JSON.stringify({
          pid: stranger.pid,
          startTime: startTimeOf(stranger.pid!),
          name: 'stranger',
          devices: [{ uuid: devices()[1]!.identity.uuid, bytes: 60 * 1024 ** 3 }],
          releaseDelayMs: 0,
        }),
      );
      await eventually('the driver shows it', async () => (await driverPids()).includes(stranger.pid!));
      await nextFleet();
      const waiting = await eventually('the start waits', () =>
        fleet.list().find(({ reason }) => reason.startsWith('waiting: device')),
      );
      expect(waiting.state).toBe('starting');
      expect(waiting.pid).toBeNull();
      expect(waiting.reason).toMatch(/has 1\d\.\d of 79\.\d GiB free, the engine takes 7\d\.\d GiB$/);
    } finally {
      stranger.kill('SIGKILL');
    }
    await until('ready', '1');
  });
});

describe('a flag that the installed vLLM does not have', () => {
  it('is refused by name before anything starts', async () => {
    await nextFleet(['--no-such-flag']);
    const failed = await until('failed', '1');
    expect(failed.reason).toMatch(/^template args: --no-such-flag is not a flag of vLLM 0\.26\.0/);
  });
});

describe('a stop', () => {
  it('is over when the driver shows no memory of the engine, and not before', async () => {
    await nextFleet();
    await until('ready', '1');
    await fleet.stopEngine('chat-0');
    await until('stopped', '1');
    expect(await driverPids()).toEqual([]);
  });
});

describe('memory that the driver does not give back when its process is dead', () => {
  it('makes the devices stuck: an alert, nothing starts there, and all goes on once it is free', async () => {
    const chat = {
      ...config.templates['chat']!,
      env: { ...config.templates['chat']!.env, INFERNODE_SIM_RELEASE_DELAY_MS: '3600000' },
    };
    const single = { ...chat, gpus: 1, args: [] };
    const current = aFleet(
      {},
      {
        templates: { chat, single },
        engines: config.engines,
        resolveDevice: (ref) => devices()[Number(ref)]?.identity.uuid ?? ref,
        devicesReleased: (uuids, pids) => areDevicesReleased(sampler, uuids, pids),
      },
    );
    try {
      await current.fleet.start();
      const { pid } = await current.until('ready');
      const workers = holders().map((holder) => holder.pid);
      process.kill(pid!, 'SIGKILL');
      const stuck = await current.until('failed', ({ reason }) => reason.startsWith('stuck:'));
      expect(stuck).toMatchObject({ incarnation: '1', pid: null });
      expect(workers.every(isGone)).toBe(true);
      // Its processes are gone, and the driver still counts what they held; the reason names both.
      expect(stuck.reason).toMatch(/memory of processes [\d, ]+ is still held on GPU-/);
      for (const worker of workers) expect(stuck.reason).toContain(String(worker));
      expect(await current.metric('infernode_engine_device_stuck')).toBe(2);
      const another = { engineId: 'spare', template: 'single', devices: [devices()[1]!.identity.uuid] };
      await expect(current.fleet.startEngine(another)).rejects.toMatchObject({ code: 'device-in-use' });
      // Looked at again and again, and never started meanwhile.
      const held = (await sampler.sampleNow())!.devices.map(({ reading }) => reading.memoryUsedBytes ?? 0);
      expect(Math.min(...held)).toBeGreaterThan(60 * 1024 ** 3);
      expect(current.status()).toMatchObject({ state: 'failed', incarnation: '1' });
      for (const worker of workers) rmSync(join(gpuDirectory, 'processes', `${worker}.json`));
      await current.until('ready', ({ id, incarnation }) => id === 'chat-0' && incarnation === '2');
      expect(await current.metric('infernode_engine_device_stuck')).toBe(0);
      const [death] = await current.fleet.archive.explain('chat-0', null);
      expect(death?.stop).toMatchObject({ outcome: 'device-stuck' });
    } finally {
      for (const { pid } of holders())
        rmSync(join(gpuDirectory, 'processes', `${pid}.json`), { force: true });
      await current.clear();
    }
  });
});
