// Shows every reason for which an endpoint may not take a request, and what is no reason.
import { describe, expect, it } from 'vitest';
import type { EndpointState } from '../../../src/domain/endpoint.js';
import { defaultBreakerOptions, EndpointBreaker } from '../../../src/placement/endpoint-breaker.js';
import {
  explainRefusal,
  refusalOf,
  refusals,
  type EligibilityQuestion,
  type Refusal,
} from '../../../src/placement/eligibility.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { emptyLoad } from '../../../src/placement/work-ledger.js';
import { endpointState, request } from './placement-fixtures.js';

interface Case {
  refusal: Refusal | null;
  what: string;
  state?: Partial<EndpointState>;
  question?: EligibilityQuestion;
  requests?: number;
  failures?: number;
}

const cases: Case[] = [
  { refusal: null, what: 'a ready endpoint' },
  { refusal: 'not-ready', what: 'one that starts', state: { engineState: 'starting' } },
  { refusal: 'not-ready', what: 'one that drains', state: { engineState: 'draining' } },
  { refusal: 'not-ready', what: 'one that stopped', state: { engineState: 'stopped' } },
  { refusal: 'not-ready', what: 'one that failed', state: { engineState: 'failed' } },
  { refusal: 'evicting', what: 'one that is evicted', state: { evicting: true } },
  { refusal: 'cordoned', what: 'a cordoned one', state: { cordonHolders: ['operator:ann'] } },
  { refusal: 'device-unhealthy', what: 'one with an unhealthy GPU', state: { deviceHealth: 'unhealthy' } },
  { refusal: null, what: 'one with a degraded GPU', state: { deviceHealth: 'degraded' } },
  { refusal: null, what: 'one whose GPU sent no news', state: { deviceHealth: 'unknown' } },
  { refusal: null, what: 'one on a silent node', state: { nodeSilent: true } },
  { refusal: 'model-not-served', what: 'one without the adapter', question: { servedName: 'adapter' } },
  { refusal: null, what: 'one with the adapter', question: { servedName: 'm' } },
  { refusal: 'elsewhere', what: 'one that does not keep the response', question: { only: 'n/other' } },
  { refusal: null, what: 'the one that keeps the response', question: { only: 'n/e' } },
  { refusal: 'excluded', what: 'one already tried', question: { exclude: new Set(['n/e']) } },
  { refusal: 'breaker-open', what: 'one that failed five times', failures: 5 },
  { refusal: null, what: 'one that failed four times', failures: 4 },
  { refusal: 'at-hard-cap', what: 'one at its cap', state: { maxConcurrent: 3 }, requests: 3 },
  { refusal: null, what: 'one below its cap', state: { maxConcurrent: 3 }, requests: 2 },
];

describe('eligibility', () => {
  it.each(cases)('$what: $refusal', ({ refusal, state, question, requests, failures }) => {
    const breaker = new EndpointBreaker(defaultBreakerOptions);
    for (let i = 0; i < (failures ?? 0); i += 1) breaker.failed(0);
    const candidate = {
      state: endpointState('n/e', state),
      breaker,
      load: { ...emptyLoad(), requests: requests ?? 0 },
    };
    expect(refusalOf(candidate, question ?? {}, 1)).toBe(refusal);
  });

  it('covers every reason and explains each with the name of the endpoint', () => {
    expect(new Set(cases.map((c) => c.refusal).filter((r) => r !== null))).toEqual(new Set(refusals));
    for (const refusal of refusals) expect(explainRefusal(refusal, endpointState('n/e'))).toContain('n/e');
  });

  it('gives an endpoint with a degraded GPU less, not nothing', () => {
    const placement = new InMemoryModelPlacement();
    placement.upsert(endpointState('n/good'));
    placement.upsert(endpointState('n/degraded', { deviceHealth: 'degraded' }));
    for (let i = 0; i < 120; i += 1) placement.decide(request(`r${i}`, [i * 10 + 1, i * 10 + 2]), i);
    const inFlight = placement.inFlight();
    expect(inFlight.get('n/degraded')).toBeGreaterThan(10);
    expect(inFlight.get('n/degraded')).toBeLessThan(inFlight.get('n/good')! * 0.8);
  });
});
