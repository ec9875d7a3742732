/** When the sampler is asked for what it reads in no round: at the start, by the clock, and after an error of a link. */
import { beforeEach, expect, it } from 'vitest';
import { OnDemandReads } from '../../../src/device/on-demand-reads.js';
import type { DeviceEvent } from '../../../src/domain/device.js';
import { ManualClock } from '../../support/manual-clock.js';

const minuteMs = 60_000;
let clock: ManualClock;
let asked: string[];
let reads: OnDemandReads;
beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  reads = new OnDemandReads({ clock, ask: (command) => asked.push(command) });
});

function sampleEachMinute(minutes: number): void {
  for (let minute = 0; minute < minutes; minute++) {
    clock.advance(minuteMs);
    reads.askWhatIsDue();
  }
}

it('everything is read at the start, pairs of devices each five minutes, flash memory once a day', () => {
  reads.askWhatIsDue();
  reads.askWhatIsDue();
  expect(asked).toEqual(['inspect']);
  sampleEachMinute(4);
  expect(asked).toEqual(['inspect']);
  sampleEachMinute(1);
  expect(asked).toEqual(['inspect', 'peers']);
  sampleEachMinute(24 * 60 - 5);
  expect(asked.filter((command) => command === 'inspect')).toHaveLength(2);
  expect(asked.filter((command) => command === 'peers')).toHaveLength(287);
});

it.each([
  [74, 1],
  [144, 1],
  [150, 1],
  [79, 0],
  [151, 0],
])('Xid %i has pairs read anew %i times, and the clock starts over', (code, times) => {
  reads.askWhatIsDue();
  sampleEachMinute(4);
  reads.noteEvent({ kind: 'xid', code } as DeviceEvent);
  expect(asked).toEqual(['inspect', ...Array<string>(times).fill('peers')]);
  sampleEachMinute(1);
  expect(asked).toHaveLength(2);
});

it('another kind of event with such a number asks for nothing', () => {
  reads.noteEvent({ kind: 'other', code: 74 } as DeviceEvent);
  expect(asked).toEqual([]);
});
