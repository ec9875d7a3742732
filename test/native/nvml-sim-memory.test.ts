// Memory is true to what processes hold: a real child process registers, is killed without a chance to clean up, and the
// memory comes back after the release delay; its file goes with it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { editScenario } from '../../src/sim/gpu-scenario.js';
import { readStartTime } from '../../src/sim/engine/process-file.js';
import { eventually } from '../support/running-up.js';
import { openNode, type SimulatedNode } from './nvml-sim-client.js';

const gibibyte = 1024 ** 3;
let node: SimulatedNode;
const children: ChildProcess[] = [];

beforeEach(async () => {
  node = await openNode();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await node.close();
});

interface Held {
  pid: number;
  file: string;
  kill(): Promise<void>;
}

/** A process that holds memory, as a simulated engine's worker registers it. */
async function holdMemory(bytes: number, releaseDelayMs: number, startTime?: string): Promise<Held> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  children.push(child);
  const pid = await eventually('the child starts', () => child.pid);
  const file = join(node.directory, 'processes', `${pid}.json`);
  const devices = [{ uuid: node.uuids[1], bytes }];
  const content = {
    pid,
    startTime: startTime ?? readStartTime(pid),
    name: 'VLLM::Worker_TP0',
    devices,
    releaseDelayMs,
  };
  writeFileSync(file, JSON.stringify(content));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return {
    pid,
    file,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const used = async (device = 1): Promise<number> => (await node.client.call('memory', device)).number('used');

test('used, free and the process list follow a process from registration to its death', async () => {
  const before = await node.client.call('memory', 1);
  expect(before.number('used')).toBe(0);
  expect(before.number('free')).toBe(before.number('total') - before.number('reserved'));

  const held = await holdMemory(20 * gibibyte, 0);
  await eventually('the memory is used', async () => (await used()) === 20 * gibibyte);
  const during = await node.client.call('memory', 1);
  expect(during.number('free')).toBe(before.number('free') - 20 * gibibyte);
  // The first version of the call counts the driver's reserve as used.
  const first = await node.client.call('memory1', 1);
  expect(first.number('used')).toBe(20 * gibibyte + before.number('reserved'));
  expect(await used(0)).toBe(0);
  const list = await node.client.call('processes', 1);
  expect(list).toMatchObject({ code: 0, values: { asked: '7', count: '1' } });
  expect([list.all('pid'), list.all('bytes')]).toEqual([[held.pid], [20 * gibibyte]]);
  expect((await node.client.call('processes', 0)).values).toEqual({ asked: '0', count: '0' });

  await held.kill();
  await eventually('the memory is free', async () => (await used()) === 0);
  expect(existsSync(held.file)).toBe(false);
});

test('a killed process gives its memory back after its release delay, and is no longer listed meanwhile', async () => {
  const held = await holdMemory(gibibyte, 3_600_000);
  await eventually('the memory is used', async () => (await used()) === gibibyte);
  await held.kill();
  await eventually('the process is gone from the list', async () => {
    return (await node.client.call('processes', 1)).number('count') === 0;
  });
  expect(await used()).toBe(gibibyte);
  expect(existsSync(held.file)).toBe(true);
  // With a shorter delay it ends: a reader that opens the library now counts from what it sees first.
  const content = JSON.parse(readFileSync(held.file, 'utf8')) as Record<string, unknown>;
  writeFileSync(held.file, JSON.stringify({ ...content, releaseDelayMs: 50 }));
  await eventually('the memory is free', async () => (await used()) === 0);
  expect(existsSync(held.file)).toBe(false);
});

test('a pid that belongs to another process by now holds nothing', async () => {
  const held = await holdMemory(gibibyte, 0, '1');
  await eventually('the file is removed', async () => {
    await used();
    return !existsSync(held.file);
  });
  expect(await used()).toBe(0);
});

test('files that are no registration are left alone and count for nothing', async () => {
  const file = join(node.directory, 'processes', '1.json');
  for (const text of ['', '{', '[]', '{"pid":"1"}', '{"pid":1,"startTime":"x","devices":7}']) {
    writeFileSync(file, text);
    expect((await node.client.call('memory', 1)).code).toBe(0);
  }
  expect(existsSync(file)).toBe(true);
});

test('memory that leaked belongs to nobody, and never exceeds the part', async () => {
  const leak = (bytes: number): void =>
    void editScenario(node.directory, ({ devices }) => void (devices[1]!.set.memoryLeakedBytes = bytes));
  leak(4 * gibibyte);
  expect(await used()).toBe(4 * gibibyte);
  expect((await node.client.call('processes', 1)).number('count')).toBe(0);
  leak(1e15);
  const memory = await node.client.call('memory', 1);
  expect(memory.number('free')).toBe(0);
  expect(memory.number('used')).toBe(memory.number('total') - memory.number('reserved'));
});
