// A hung engine with real processes: /health stays 200, work waits, no step is made. It is noticed by its lack of progress,
// its stacks are taken, its work is given up at once, and a new one serves. An engine that answers late is left alone.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, expect, it } from 'vitest';
import type { EngineStatus } from '../../../src/domain/engine.js';
import { eventually } from '../../support/running-up.js';
import { aFleet, aTemplate, type FleetCase } from '../../support/engine-fleet.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

function states({ history }: FleetCase): EngineStatus[] {
  return history.filter((change): change is EngineStatus => 'state' in change);
}

const lease = { leaseId: 'a/1', requestId: 'a/1' };

it('is seen by its missing progress, evicted, written down and started again', async () => {
  let leases = [lease];
  const chat = aTemplate({ child: 'stubborn' }, { watchdogMs: 1000 });
  current = aFleet({}, { templates: { chat }, inputs: { workOn: () => leases } });
  await current.fleet.start();
  const { url } = await current.until('ready');
  await request(`${url}/set?canary=0`);
  const hung = await eventually('it is given up', () => states(current!).find((s) => s.evicting));
  leases = [];
  expect(hung).toMatchObject({ state: 'draining', incarnation: '1' });
  expect(hung.reason).toMatch(
    /^hung: no step for \d+ s with 1 request waiting; a one-token request is unanswered/,
  );
  expect(hung.cordons.map(({ holder }) => holder)).toEqual(['health:engine-hang']);
  expect((await current.until('ready', (s) => s.incarnation === '2')).cordons).toEqual([]);
  const stacks = join(current.runDir(1), 'stacks.txt');
  expect(existsSync(stacks)).toBe(true);
  expect(readFileSync(stacks, 'utf8')).toMatch(/thread \d+ \S+ state \w wait/);
  expect(await current.metric('infernode_engine_hangs_total')).toBe(1);
});

it('a missed GPU heartbeat is a sign as well', async () => {
  let leases = [lease];
  const chat = aTemplate({}, { watchdogMs: 1000 });
  const inputs = { workOn: () => leases, heartbeatMissed: () => true };
  current = aFleet({}, { templates: { chat }, inputs });
  await current.fleet.start();
  await current.until('ready');
  const hung = await eventually('it is given up', () => states(current!).find((s) => s.evicting));
  leases = [];
  expect(hung.reason).toMatch(/the heartbeat of GPU-\S+ is missed/);
  await current.until('ready', (s) => s.incarnation === '2');
});
