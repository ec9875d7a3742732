/**
 * The kernel log through a real sampler process, from a file: what this boot holds comes first, then what is written; gaps, long lines,
 * binary and rotation are counted or survived; a log that is not there is said.
 */
import { appendFileSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/running-up.js';
import { RunningSampler } from '../support/running-sampler.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

let directory: string;
let path: string;
let gpus: SimulatedGpus;
let running: RunningSampler;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-kmsg-'));
  path = join(directory, 'kmsg');
  gpus = new SimulatedGpus(1);
  running = new RunningSampler(gpus.libraryPath, { kmsg: { path, match: ['NVRM', 'nvidia'] } });
});
afterEach(async () => {
  await running.end();
  gpus.remove();
  rmSync(directory, { recursive: true, force: true });
});

const record = (seq: number, text: string, priority = 4): string => `${priority},${seq},1000,-;${text}\n`;
const texts = (): string[] =>
  running.kernelNews.flatMap((news) => (news.kind === 'record' ? [news.record.text] : []));
const heard = (text: string): Promise<unknown> =>
  eventually(`"${text}" is heard`, () => Promise.resolve(texts().includes(text)));

test('what the log holds comes first, then what is written; lines of others and dictionaries are left out', async () => {
  writeFileSync(path, record(7, 'NVRM: old') + ' SUBSYSTEM=pci NVRM\n' + record(8, 'usb 1-1: new device'));
  await running.sampler.start();
  await heard('NVRM: old');
  appendFileSync(path, record(9, 'NVRM: "new" \\ one'));
  await heard('NVRM: "new" \\ one');
  expect(texts()).toEqual(['NVRM: old', 'NVRM: "new" \\ one']);
  expect(running.kernelNews).toContainEqual(
    expect.objectContaining({
      kind: 'record',
      record: expect.objectContaining({ seq: 9, drill: false }) as object,
    }),
  );
  expect(await running.metric('infernode_kmsg_state', { state: 'reading' })).toBe(1);
  expect(await running.metric('infernode_kmsg_lost_total')).toBe(0);
});

test('a gap in the sequence is counted as lost, and a line that a program wrote is a drill', async () => {
  writeFileSync(path, record(1, 'NVRM: one'));
  await running.sampler.start();
  await heard('NVRM: one');
  appendFileSync(path, record(5, 'NVRM: five', 12));
  await heard('NVRM: five');
  await eventually(
    'the loss is counted',
    async () => (await running.metric('infernode_kmsg_lost_total')) === 3,
  );
  expect(running.kernelNews).toContainEqual(expect.objectContaining({ kind: 'status', lost: 3 }));
  const drill = running.kernelNews.find((news) => news.kind === 'record' && news.record.seq === 5);
  expect(drill).toMatchObject({ record: { drill: true } });
});

test('binary, wrong UTF-8 and a line of 64 KiB are counted and passed over', async () => {
  writeFileSync(path, '');
  await running.sampler.start();
  await eventually(
    'the log is read',
    async () => (await running.metric('infernode_kmsg_state', { state: 'reading' })) === 1,
  );
  appendFileSync(path, Buffer.from([0xff, 0x00, 0xfe, 0x4e, 0x56, 0x52, 0x4d, 0x0a]));
  appendFileSync(path, `NVRM: ${'x'.repeat(64 * 1024)}\n`);
  appendFileSync(
    path,
    Buffer.concat([Buffer.from('4,1,1,-;NVRM: '), Buffer.from([0xc3, 0x28]), Buffer.from('\n')]),
  );
  appendFileSync(path, record(2, 'NVRM: fine'));
  await heard('NVRM: fine');
  await eventually(
    'three are counted',
    async () => (await running.metric('infernode_kmsg_invalid_total')) === 3,
  );
  expect(texts()).toEqual(['NVRM: fine']);
});

test('of a file that holds several boots only the last counts, and nothing of one that is older than this boot', async () => {
  writeFileSync(path, record(900, 'NVRM: boot before') + record(3, 'NVRM: this boot'));
  await running.sampler.start();
  await heard('NVRM: this boot');
  expect(texts()).toEqual(['NVRM: this boot']);

  const old = join(directory, 'old');
  writeFileSync(old, record(1, 'NVRM: long ago'));
  utimesSync(old, 0, 0);
  const second = new RunningSampler(gpus.libraryPath, { kmsg: { path: old, match: ['NVRM'] } });
  await second.sampler.start();
  await eventually(
    'it is read',
    async () => (await second.metric('infernode_kmsg_state', { state: 'reading' })) === 1,
  );
  appendFileSync(old, record(2, 'NVRM: now'));
  await eventually('the new line comes', () =>
    Promise.resolve(
      second.kernelNews.some((news) => news.kind === 'record' && news.record.text === 'NVRM: now'),
    ),
  );
  expect(second.kernelNews.filter(({ kind }) => kind === 'record')).toHaveLength(1);
  await second.end();
});

test('a rotated file is read from its beginning, and who listens hears of the restart first', async () => {
  writeFileSync(path, record(50, 'NVRM: fifty'));
  await running.sampler.start();
  await heard('NVRM: fifty');
  renameSync(path, `${path}.1`);
  writeFileSync(`${path}.new`, record(0, 'NVRM: zero'));
  renameSync(`${path}.new`, path);
  await heard('NVRM: zero');
  const kinds = running.kernelNews.map((news) => (news.kind === 'record' ? news.record.text : news.kind));
  expect(kinds.indexOf('restart')).toBeGreaterThan(-1);
  expect(kinds.indexOf('restart')).toBeLessThan(kinds.indexOf('NVRM: zero'));
});

test('a log that is not there is said', async () => {
  await running.sampler.start();
  await eventually(
    'absent',
    async () => (await running.metric('infernode_kmsg_state', { state: 'absent' })) === 1,
  );
  expect(running.sampler.kernelLog).toMatchObject({
    state: 'absent',
    reason: expect.stringContaining(path) as string,
  });
});

test('a successor of the sampler reads the log again under the same numbers', async () => {
  writeFileSync(path, record(1, 'NVRM: one'));
  await running.sampler.start();
  await heard('NVRM: one');
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlDeviceGetMemoryInfo_v2', device: 0 }));
  await eventually('it is heard twice, with one number', () =>
    Promise.resolve(texts().filter((text) => text === 'NVRM: one').length === 2),
  );
  const numbers = running.kernelNews.flatMap((news) => (news.kind === 'record' ? [news.record.seq] : []));
  expect(new Set(numbers)).toEqual(new Set([1]));
});
