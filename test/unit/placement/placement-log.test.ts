// A recorded log, written and read as JSON, gives the same decisions; a changed one is noticed.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  RecordedPlacement,
  replayPlacementLog,
  type PlacementLogEntry,
} from '../../../src/placement/placement-log.js';
import { strategyNames } from '../../../src/domain/placement-strategy.js';
import { endpointState, request } from './placement-fixtures.js';

const step = fc.record({
  op: fc.constantFrom(
    'place',
    'place',
    'place',
    'observe',
    'first',
    'done',
    'fail',
    'leave',
    'join',
    'restart',
    'strategy',
    'rule',
  ),
  request: fc.nat(15),
  endpoint: fc.nat(5),
  family: fc.nat(4),
  afterMs: fc.nat(2_000),
});

function play(
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): PlacementLogEntry[] {
  const lines: string[] = [];
  const placement = new RecordedPlacement({ constants: { loadFactor: 1.3 }, observer: {} }, (entry) =>
    lines.push(JSON.stringify(entry)),
  );
  for (let i = 0; i < 4; i += 1) placement.upsert(endpointState(`n/e${i}`, { maxConcurrent: 3 }));
  let nowMs = 0.1;
  for (const [number, { op, request: r, endpoint: e, family, afterMs }] of steps.entries()) {
    nowMs += afterMs / 7;
    const [id, endpoint] = [`r${r}`, `n/e${e}`];
    const chain = Array.from({ length: 1 + r }, (_, i) => family * 100 + i);
    if (op === 'place')
      placement.decide({ ...request(id, chain), exclude: new Set(r % 3 ? [] : [endpoint]) }, nowMs);
    if (op === 'observe') {
      const ended = r % 3 === 2 ? { cachedTokens: e % 2 ? 512 : undefined } : undefined;
      placement.observe({ ...request(id, chain), uncachedTokens: 7, ended }, endpoint, nowMs);
    }
    if (op === 'first') placement.firstToken(id, nowMs, r % 2 ? 512 : undefined);
    if (op === 'done') placement.done(id, nowMs);
    if (op === 'fail') placement.reportFailure(endpoint, nowMs, id);
    if (op === 'leave') placement.leave(endpoint);
    if (op === 'join') placement.upsert(endpointState(endpoint), 1 + (e % 2));
    if (op === 'restart') placement.upsert(endpointState(endpoint, { incarnation: String(number) }));
    if (op === 'rule') placement.useHealthRule({ minimumRequests: 1, ttftP99Ms: r % 2 ? 100 : null });
    if (op === 'strategy') placement.useStrategy(strategyNames[(r + e) % strategyNames.length]!);
  }
  return lines.map((line) => JSON.parse(line) as PlacementLogEntry);
}

it('the same decisions, for any history', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const { decisions, different } = replayPlacementLog(play(steps));
      expect(different).toEqual([]);
      expect(decisions).toBe(steps.filter(({ op }) => op === 'place').length);
    }),
  );
});

it('names the decisions that come out otherwise, and refuses a log without its beginning', () => {
  const place = { op: 'place' as const, endpoint: 0, family: 1, afterMs: 5 };
  const entries = play([
    { ...place, request: 1 },
    { ...place, request: 2 },
  ]);
  const lost = entries.map((entry) =>
    entry.op === 'decide' && entry.request.id === 'r2' ? { ...entry, endpoint: 'n/e9' } : entry,
  );
  expect(replayPlacementLog(lost).different).toMatchObject([{ id: 'r2', was: 'n/e9' }]);
  expect(() => replayPlacementLog(entries.slice(1))).toThrow(/expected a log to begin with "begin"/);
});
