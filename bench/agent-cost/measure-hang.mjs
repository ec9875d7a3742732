// The agent's event loop and the cadence of its readings, while all is well or while a call on one device hangs.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { pause } from './measure-cost.mjs';

/** One that the sampler makes for each device in each round. */
const fastCall = 'nvmlDeviceGetTemperature';

/** Rounds of the fast class a second and device, from the count of one of its calls, and the delays of the event loop in the same time. */
export async function watchRounds(agent, forMs, devices) {
  await lookAtLoop(agent);
  const first = callsIn(await agent.scrape());
  const startedMs = performance.now();
  await pause(forMs);
  const delay = await lookAtLoop(agent);
  const calls = callsIn(await agent.scrape()) - first;
  return { perSecond: calls / devices / ((performance.now() - startedMs) / 1000), delay };
}

export async function untilHung(agent, position) {
  for (;;) {
    const { state } = await agent.client.getNode();
    if (state.devices[position].health === 'unknown') return;
    await pause(100);
  }
}

/** What `loop-delay.mjs` has seen since the call before. */
async function lookAtLoop({ pid, loopDelayFile }) {
  for (;;) {
    rmSync(loopDelayFile, { force: true });
    process.kill(pid, 'SIGUSR2');
    for (let wait = 0; wait < 20; wait++) {
      await pause(50);
      if (existsSync(loopDelayFile)) return JSON.parse(readFileSync(loopDelayFile, 'utf8'));
    }
    // The first signal has only started it.
  }
}

function callsIn(page) {
  const series = new RegExp(
    `^infernode_nvml_call_seconds_count\\{[^}]*call="${fastCall}"[^}]*\\} (\\S+)`,
    'm',
  );
  return Number(series.exec(page)?.[1] ?? NaN);
}
