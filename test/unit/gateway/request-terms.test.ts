// The terms that headers set, beside what a key allows.
import { expect, test } from 'vitest';
import { warnOfFewDescriptors } from '../../../src/gateway/request/descriptor-limit.js';
import { termsOf } from '../../../src/gateway/request/request-terms.js';
import { silentLogger } from '../../../src/runtime/logger.js';

const priorityOf = (asked: string | undefined, ceiling: 'high' | 'low' | null): unknown =>
  (termsOf(asked === undefined ? {} : { 'x-infernode-priority': asked }, 0, ceiling) as { priority: string })
    .priority;

test('a priority: medium by itself, the key where there is one, never above it', () => {
  expect(priorityOf(undefined, null)).toBe('medium');
  expect(priorityOf('critical', null)).toBe('critical');
  expect(priorityOf(undefined, 'low')).toBe('low');
  expect(priorityOf('critical', 'high')).toBe('high');
  expect(priorityOf('low', 'high')).toBe('low');
});

test('a deadline counts from the arrival of the request', () => {
  expect(termsOf({ 'x-infernode-timeout-ms': '250' }, 1000, null)).toMatchObject({ deadlineMs: 1250 });
  expect(termsOf({}, 1000, null)).toMatchObject({ deadlineMs: Infinity });
});

test('a low limit of open files is said at the start, with what it allows', () => {
  const said: object[] = [];
  const logger = { ...silentLogger(), warn: (fields: object) => said.push(fields) } as never;
  const limits = (n: number): string =>
    `Limit  Soft Limit  Hard Limit\nMax open files            ${n}    1048576   files`;
  expect(warnOfFewDescriptors(logger, limits(1024))).toBe(1024);
  expect(said).toMatchObject([{ limit: 1024, streams: 262 }]);
  expect(warnOfFewDescriptors(logger, limits(65536))).toBe(65536);
  expect(warnOfFewDescriptors(logger, '')).toBeNull();
  expect(said).toHaveLength(1);
});
