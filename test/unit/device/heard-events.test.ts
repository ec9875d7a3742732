/** One event, heard by two samplers, is one event; the same code again from one sampler is another. */
import { expect, test } from 'vitest';
import { HeardEvents } from '../../../src/device/heard-events.js';
import type { DeviceEvent } from '../../../src/domain/device.js';

const xid = (receivedAtMs: number, code = 79): DeviceEvent => ({
  deviceUuid: 'GPU-0',
  kind: 'xid',
  code,
  source: 'nvml',
  text: null,
  pid: null,
  receivedAtMs,
  drill: false,
});
const [old, next] = [{}, {}];

test('what the old sampler passed on is no news from the next', () => {
  const heard = new HeardEvents();
  expect(heard.isNews(old, xid(0))).toBe(true);
  expect(heard.isNews(next, xid(5))).toBe(false);
  expect(heard.isNews(next, xid(5, 48))).toBe(true);
});

test('the same event again from the same sampler is news', () => {
  const heard = new HeardEvents();
  expect([heard.isNews(old, xid(0)), heard.isNews(old, xid(1))]).toEqual([true, true]);
});

test('later it is news from anybody', () => {
  const heard = new HeardEvents();
  expect(heard.isNews(old, xid(0))).toBe(true);
  expect(heard.isNews(next, xid(1500))).toBe(true);
});
