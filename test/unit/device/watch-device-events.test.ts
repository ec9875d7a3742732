/** The event pipe, with whatever may come through it: whole lines, halves, garbage, lines without end. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceEvent } from '../../../src/domain/device.js';
import { DeviceEventReader } from '../../../src/device/watch-device-events.js';
import { ManualClock } from '../../support/manual-clock.js';

function read(...chunks: (string | Uint8Array)[]): {
  events: DeviceEvent[];
  notes: string[];
  garbage: number;
} {
  const heard = { events: [] as DeviceEvent[], notes: [] as string[], garbage: 0 };
  const reader = new DeviceEventReader({
    clock: new ManualClock(5000),
    onEvent: (event) => heard.events.push(event),
    onNote: (note) => heard.notes.push(note),
    onKernelRecord: () => undefined,
    onKernelLog: () => undefined,
    onGarbage: () => (heard.garbage += 1),
  });
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return heard;
}

const xidLine = '{"kind":"xid","uuid":"GPU-1","code":79,"type":8,"at":123}\n';

test('an Xid becomes an event with the time of its reception', () => {
  expect(read(xidLine).events).toEqual([
    {
      deviceUuid: 'GPU-1',
      kind: 'xid',
      code: 79,
      source: 'nvml',
      text: null,
      pid: null,
      receivedAtMs: 5000,
      drill: false,
    },
  ]);
});

test('an event may name no device', () => {
  expect(read('{"kind":"unavailable","uuid":null,"code":16384}\n').events[0]?.deviceUuid).toBeNull();
});

test('notes are no events', () => {
  expect(read('{"kind":"hello"}\n{"kind":"round"}\n')).toEqual({
    events: [],
    notes: ['hello', 'round'],
    garbage: 0,
  });
});

test('a line that is cut anywhere is put together again', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(xidLine.length * 3), { maxLength: 8 }), (cuts) => {
      const text = xidLine.repeat(3);
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const heard = read(...at.slice(1).map((end, n) => text.slice(at[n], end)));
      expect(heard.events).toHaveLength(3);
      expect(heard.garbage).toBe(0);
    }),
  );
});

test.each([
  'nonsense',
  '[]',
  'null',
  '7',
  '{"kind":"xid"}',
  '{"kind":"unheard-of","uuid":null,"code":1}',
  '{"kind":"xid","uuid":5,"code":1}',
  '{"kind":"xid","uuid":null,"code":"x"}',
  '',
])('garbage is counted and the next line is read: %j', (line) => {
  const heard = read(`${line}\n${xidLine}`);
  expect([heard.garbage, heard.events.length]).toEqual([1, 1]);
});

test('a line without end costs itself only, and no memory', () => {
  const heard = read(...Array.from({ length: 64 }, () => 'x'.repeat(1024)), `\n${xidLine}`);
  expect([heard.garbage, heard.events.length]).toEqual([1, 1]);
});

test('no bytes whatever make it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 16 }), (chunks) => {
      const heard = read(...chunks);
      expect(heard.events).toHaveLength(0);
    }),
    { numRuns: 2000 },
  );
});
