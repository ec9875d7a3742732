// When an engine counts as hung, and above all when it does not. Time is a number here: ten minutes take a moment.
import { describe, expect, it } from 'vitest';
import {
  ProgressWatchdog,
  type ProgressLook,
  type ProgressVerdict,
} from '../../../src/engine/progress-watchdog.js';
import { stallSigns } from '../../../src/engine/stall-signs.js';
import { seededRandom } from '../../../src/sim/engine/seeded-random.js';

const limitMs = 30_000;
const page = { steps: 100, running: 4, waiting: 2, asleep: false };
const quiet: ProgressLook = { nowMs: 0, leases: 0, page, cpuMs: 0, canaryPendingMs: null, signs: [] };

/** A look each second until `untilMs`; the last verdict. */
function watch(
  untilMs: number,
  lookAt: (nowMs: number) => Partial<ProgressLook>,
  watchdog = new ProgressWatchdog(limitMs),
): ProgressVerdict {
  let verdict: ProgressVerdict = { kind: 'idle' };
  for (let nowMs = 0; nowMs <= untilMs && verdict.kind !== 'stuck'; nowMs += 1000)
    verdict = watchdog.look({ ...quiet, nowMs, ...lookAt(nowMs) });
  return verdict;
}

function reasonOf(verdict: ProgressVerdict): string {
  return verdict.kind === 'stuck' ? verdict.reason : verdict.kind;
}

/** The canary as the agent sends it: from half the watchdog time on, never answered. */
const unanswered = (nowMs: number): number | null => (nowMs >= limitMs / 2 ? nowMs - limitMs / 2 : null);

describe('an engine is hung', () => {
  it('when work waits, no step is made for the watchdog time, and a canary is unanswered', () => {
    const verdict = watch(60_000, (nowMs) => ({ canaryPendingMs: unanswered(nowMs) }));
    expect(verdict).toEqual({
      kind: 'stuck',
      reason: 'hung: no step for 30 s with 6 requests waiting; a one-token request is unanswered for 15 s',
    });
  });

  it('also when its own numbers read 0 but coordinators have work there', () => {
    const idlePage = { ...page, running: 0, waiting: 0 };
    const verdict = watch(60_000, () => ({ leases: 1, page: idlePage, signs: ['a sign'] }));
    expect(reasonOf(verdict)).toContain('1 request waiting');
  });

  it('when its server neither answers nor uses any CPU', () => {
    const verdict = watch(60_000, (nowMs) => ({
      leases: 1,
      page: nowMs === 0 ? page : null,
      canaryPendingMs: unanswered(nowMs),
    }));
    expect(reasonOf(verdict)).toContain('no CPU time used');
  });

  it('within one look after the watchdog time', () => {
    const watchdog = new ProgressWatchdog(limitMs);
    let hungAtMs = 0;
    watch(
      100_000,
      (nowMs) => {
        hungAtMs = nowMs;
        return {
          page: { ...page, steps: Math.min(50, nowMs / 1000) },
          canaryPendingMs: unanswered(nowMs - 50_000),
        };
      },
      watchdog,
    );
    expect(hungAtMs).toBe(80_000);
  });
});

describe('an engine is not hung', () => {
  it('without a second sign, however long it stands still', () => {
    expect(watch(600_000, () => ({}))).toMatchObject({ kind: 'still', suspicious: true });
  });

  it('when nothing waits', () => {
    const idlePage = { ...page, running: 0, waiting: 0 };
    expect(watch(600_000, () => ({ page: idlePage, signs: ['a sign'] }))).toEqual({ kind: 'idle' });
  });

  it('when it sleeps on purpose', () => {
    expect(watch(600_000, () => ({ page: { ...page, asleep: true }, signs: ['a sign'] }))).toEqual({
      kind: 'idle',
    });
  });

  it('when its pages come late but its server works', () => {
    const verdict = watch(600_000, (nowMs) => ({
      page: nowMs === 0 ? page : null,
      cpuMs: nowMs * 0.9,
      canaryPendingMs: unanswered(nowMs),
    }));
    expect(verdict.kind).toBe('still');
  });

  it('when its page has no counter at all', () => {
    const verdict = watch(600_000, (nowMs) => ({
      page: { ...page, steps: null },
      canaryPendingMs: unanswered(nowMs),
    }));
    expect(verdict.kind).toBe('still');
  });

  it('when a step comes at the last moment', () => {
    const verdict = watch(600_000, (nowMs) => ({
      page: { ...page, steps: Math.floor(nowMs / 29_000) },
      canaryPendingMs: unanswered(nowMs % 29_000),
      signs: ['a sign'],
    }));
    expect(['moving', 'still']).toContain(verdict.kind);
  });

  it('in ten saturated hours of late pages, long steps and unanswered canaries', () => {
    const random = seededRandom(7);
    let steps = 0;
    let nextStepMs = 0;
    let stuck = 0;
    const watchdog = new ProgressWatchdog(limitMs);
    for (let nowMs = 0; nowMs < 36_000_000; nowMs += 1000) {
      if (nowMs >= nextStepMs) {
        steps += 1;
        nextStepMs = nowMs + random() * 25_000;
      }
      const late = random() < 0.9;
      const verdict = watchdog.look({
        ...quiet,
        nowMs,
        leases: 100,
        page: late ? null : { ...page, steps },
        cpuMs: nowMs * 0.8,
        canaryPendingMs: 20_000,
        signs: random() < 0.5 ? ['a sign'] : [],
      });
      if (verdict.kind === 'stuck') stuck += 1;
    }
    // A page every ten seconds on average and a step every twelve: the counter is seen to move again and again.
    expect(stuck).toBe(0);
  });
});

describe('signs', () => {
  const nothing = { readings: [], log: '', missedHeartbeats: [] };
  const spinning = { powerWatts: 110, powerLimitWatts: 700, gpuUtilizationRatio: 1 };
  const warning = 'No available shared memory broadcast block found in 60 seconds.\n';

  it('none without evidence', () => {
    expect(stallSigns(nothing)).toEqual([]);
  });

  it('all GPUs at full utilisation near idle power; one that works is no sign', () => {
    expect(stallSigns({ ...nothing, readings: [spinning, spinning] })).toHaveLength(1);
    expect(stallSigns({ ...nothing, readings: [spinning, { ...spinning, powerWatts: 400 }] })).toEqual([]);
    expect(stallSigns({ ...nothing, readings: [{ ...spinning, powerWatts: null }] })).toEqual([]);
  });

  it('the broadcast warning twice, not once', () => {
    expect(stallSigns({ ...nothing, log: warning })).toEqual([]);
    expect(stallSigns({ ...nothing, log: warning + warning })).toHaveLength(1);
  });

  it('a missed heartbeat', () => {
    expect(stallSigns({ ...nothing, missedHeartbeats: ['GPU-1'] })).toEqual([
      'the heartbeat of GPU-1 is missed',
    ]);
  });
});
