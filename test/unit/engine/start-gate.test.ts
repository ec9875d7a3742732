// What must be true of the devices before a start: memory really free, nothing left of earlier runs, one measuring engine each.
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { emptyReading } from '../../../src/domain/device.js';
import { defaultEngineSettings, type EngineContext } from '../../../src/engine/engine-context.js';
import { noInputs } from '../../../src/engine/engine-inputs.js';
import { ProfilingTurns } from '../../../src/engine/profiling-turns.js';
import { leftoversOf, passStartGate } from '../../../src/engine/start-gate.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { eventually } from '../../support/running-up.js';

const gibibyte = 1024 ** 3;
const never = new AbortController().signal;
let freeBytes = 0;
const context = {
  clock: systemClock,
  settings: { ...defaultEngineSettings, gateLimitMs: 0 },
  inputs: {
    ...noInputs,
    reading: (uuid: string) =>
      uuid === 'GPU-a'
        ? { ...emptyReading, memoryFreeBytes: freeBytes, memoryTotalBytes: 80 * gibibyte }
        : null,
  },
} as Pick<EngineContext, 'clock' | 'settings' | 'inputs'> as EngineContext;

const pass = (over: Partial<Parameters<typeof passStartGate>[1]> = {}, limitMs = 0): Promise<void> =>
  passStartGate(
    { ...context, settings: { ...context.settings, gateLimitMs: limitMs } },
    {
      engineDir: '/no/such/engine',
      deviceUuids: ['GPU-a'],
      need: { ratio: 0.9 },
      signal: never,
      say: () => undefined,
      ...over,
    },
  );

describe('memory', () => {
  it('that is missing is told with figures, and waited for until the limit', async () => {
    freeBytes = 3.2 * gibibyte;
    await expect(pass()).rejects.toThrow(
      'not started: device GPU-a has 3.2 of 80.0 GiB free, the engine takes 72.0 GiB; it stayed so for 0 s',
    );
    await expect(pass()).rejects.toMatchObject({ causeClass: 'out-of-memory' });
  });

  it('that comes free lets the engine start', async () => {
    freeBytes = 0;
    const said: string[] = [];
    const passed = pass({ say: (text) => said.push(text) }, 60_000);
    await eventually('it says what it waits for', () => said.length > 0);
    freeBytes = 79 * gibibyte;
    await passed;
    expect(said).toEqual(['waiting: device GPU-a has 0.0 of 80.0 GiB free, the engine takes 72.0 GiB']);
  });

  it('of a device without a reading, or of an engine that names no need, is not judged', async () => {
    freeBytes = 0;
    await pass({ deviceUuids: ['GPU-b'] });
    await pass({ need: null });
    await pass({ need: { bytes: 0 } });
  });

  it('is not waited for when the start is not wanted any more', async () => {
    freeBytes = 0;
    const abort = new AbortController();
    const passed = pass({ signal: abort.signal }, 60_000);
    abort.abort();
    await passed;
  });
});

describe('a process of an earlier run', () => {
  let pid: number | undefined;
  afterEach(() => {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  });

  it('is found by the mark in its environment, and holds the start', async () => {
    const engineDir = `/tmp/engine-${process.pid}`;
    const mine = spawn('sleep', ['600'], { env: { INFERNODE_KEEPER_RUN: `${engineDir}/runs/1` } });
    pid = mine.pid;
    await eventually('its environment can be read', () => leftoversOf(engineDir) !== null);
    expect(leftoversOf(engineDir)).toBe(`processes ${pid} of an earlier run still stand`);
    expect(leftoversOf(`${engineDir}-other`)).toBeNull();
    await expect(pass({ engineDir, need: null })).rejects.toThrow(/of an earlier run still stand/);
  });
});

describe('the turn to measure', () => {
  it('goes from engine to engine on a device; others are not in the way', async () => {
    const turns = new ProfilingTurns();
    const order: string[] = [];
    const said: string[] = [];
    const take = async (id: string, ...devices: string[]): Promise<void> => {
      await turns.take(id, devices, never, (text) => said.push(text));
      order.push(id);
    };
    await take('a', '0', '1');
    await take('c', '2');
    const b = take('b', '1', '3');
    // All or nothing: while b waits for device 1 it does not hold device 3.
    await take('d', '3');
    expect(said).toEqual(['waiting: engine "a" measures its memory on the same device']);
    turns.release('a');
    turns.release('d');
    await b;
    expect(order).toEqual(['a', 'c', 'd', 'b']);
    await take('b', '1');
  });

  it('is not waited for when the start is not wanted any more', async () => {
    const turns = new ProfilingTurns();
    await turns.take('a', ['0'], never, () => undefined);
    const abort = new AbortController();
    const waiting = turns.take('b', ['0'], abort.signal, () => undefined);
    abort.abort();
    await waiting;
    expect(turns.tryTake('b', ['0'])).toEqual({ heldBy: 'a' });
  });
});
