/**
 * Whatever stands in the kernel log: 12,000 generated lines (cut, mixed, binary, wrong UTF-8, up to 64 KiB) go through a real sampler
 * process and the event pipe into health, and nothing of it ends anything, makes a device sick, or hides the one true line at the end.
 * Then the parsers alone, with 10,000 more.
 */
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findInKernelLine, kernelLogWords } from '../../src/health/kernel-patterns.js';
import { KernelLogReader } from '../../src/health/read-kernel-log.js';
import { seededRandom } from '../../src/sim/engine/seeded-random.js';
import { RunningSampler } from '../support/running-sampler.js';
import { eventually } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';
import { HealthBench } from '../unit/health/health-bench.js';

const lines = 12_000;
const seed = Number(process.env['INFERNODE_FUZZ_SEED'] ?? 20261127);
/** None of them is the address of a device of the bench. */
const parts = [
  ...kernelLogWords,
  'NVRM: Xid (PCI:0000:f1:00): 79, pid=1, name=x',
  'NVRM: Xid (PCI:0000:f1:00 GPU-I:05): ',
  'NVRM: GPU 0000:f1:00.0: GPU has fallen off the bus.',
  'NVRM: The NVIDIA GPU 0000:f1:00.0',
  'Xid (PCI:',
  '): ',
  '79',
  '154, GPU recovery action changed from 0x0 (None) to ',
  '0x',
  '99999999999999999999',
  '-1',
  ', ',
  '\\x0a',
  '"',
  '\\',
  '{"kind":"xid","uuid":"GPU-1","code":79}',
];

function generate(random: () => number): Buffer {
  const pick = (n: number): number => Math.floor(random() * n);
  const chunks: Buffer[] = [];
  for (let i = 0; i < lines; i++) {
    const kind = pick(20);
    const header = kind < 16 ? `${pick(200)},${i},${pick(1e9)},-;` : kind === 16 ? `${i},,;` : '';
    const text = Array.from({ length: 1 + pick(6) }, () => parts[pick(parts.length)]).join(
      pick(2) ? ' ' : '',
    );
    chunks.push(Buffer.from(header + text.slice(0, pick(text.length + 1))));
    if (kind === 17) chunks.push(Buffer.from(Array.from({ length: 1 + pick(80) }, () => pick(256))));
    if (kind === 18) chunks.push(Buffer.from([0xc3, 0x28, 0xff, 0x00]));
    if (kind === 19 && pick(40) === 0) chunks.push(Buffer.alloc(64 * 1024, 'NVRM: '));
    chunks.push(Buffer.from('\n'));
  }
  return Buffer.concat(chunks);
}

test(`12,000 lines of anything through the whole path (seed ${seed})`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-fuzz-'));
  const path = join(directory, 'kmsg');
  const gpus = new SimulatedGpus(1);
  const running = new RunningSampler(gpus.libraryPath, { kmsg: { path, match: kernelLogWords } });
  const bench = new HealthBench();
  bench.sample();
  running.sampler.onKernelLog((news) => {
    if (news.kind === 'record') bench.tracker.handleKernelRecord(news.record);
    if (news.kind === 'restart') bench.tracker.kernelLogRestarted();
  });
  try {
    writeFileSync(path, '');
    await running.sampler.start();
    await eventually(
      'the log is read',
      async () => (await running.metric('infernode_kmsg_state', { state: 'reading' })) === 1,
    );
    writeFileSync(path, generate(seededRandom(seed)), { flag: 'a' });
    writeFileSync(path, `4,${lines + 1},5,-;NVRM: Xid (PCI:0000:01:00): 79, the true one\n`, { flag: 'a' });
    await eventually('the true line is heard', () => Promise.resolve(bench.condition('xid') !== undefined));
    expect(bench.status.conditions).toMatchObject([
      { check: 'xid', reason: 'Xid 79: GPU has fallen off the bus' },
    ]);
    await eventually(
      'garbage is counted',
      async () => ((await running.metric('infernode_kmsg_invalid_total')) ?? 0) > 100,
    );
    expect(await running.metric('infernode_kmsg_records_total')).toBeGreaterThan(1000);
    expect(await running.metric('infernode_device_event_lines_invalid_total')).toBe(0);
    expect(await running.metric('infernode_device_sampler_crashes_total')).toBe(0);
  } finally {
    await running.end();
    gpus.remove();
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the parsers take any text', () => {
  const piece = fc.oneof(
    fc.constantFrom(...parts),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.integer().map(String),
  );
  const line = fc.array(piece, { maxLength: 8 }).map((all) => all.join(''));
  const reader = new KernelLogReader();
  let seq = 0;
  fc.assert(
    fc.property(line, fc.integer({ min: -1e9, max: 1e9 }), (text, observedAtMs) => {
      const items = reader.read({ seq: seq++, text, observedAtMs, drill: false }, {});
      for (const item of items)
        if (item.kind === 'xid') expect(Number.isSafeInteger(item.message.code)).toBe(true);
      const finding = findInKernelLine(text);
      expect(finding === null || finding.text === text).toBe(true);
      expect(items.length).toBeLessThanOrEqual(3);
    }),
    { numRuns: 10_000, seed },
  );
});
