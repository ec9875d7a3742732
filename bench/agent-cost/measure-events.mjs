// From a fault in its source to the cordon at a client.
import { addXid } from '../../dist/sim/gpu-edits.js';
import { editScenario } from '../../dist/sim/gpu-scenario.js';
import { appendKernelLog, xidLine } from '../../dist/sim/kernel-log.js';
import { pause } from './measure-cost.mjs';

/**
 * From the moment in which the scenario, or the line of the log, is in its file to the cordon on the stream; devices 4 to 7 have no engines. An
 * edit of the scenario is a rename at its end.
 */
export async function measureEvents(agent, source, rounds) {
  const delays = [];
  for (let round = 0; round < rounds; round++) {
    const position = 4 + (round % 4);
    const uuid = agent.uuids[position];
    let startedMs = 0;
    const seen = nextUpdate(agent, (update) => {
      const devices = update.kind === 'delta' ? update.delta.devices : [];
      return devices.some(
        (d) => d.identity.uuid === uuid && d.cordons.some(({ holder }) => holder === 'health:xid'),
      );
    });
    await seen.open;
    let line = '';
    if (source === 'kmsg')
      editScenario(agent.gpuDirectory, ({ devices }) => (line = xidLine(devices[position], 79)));
    if (source === 'kmsg') appendKernelLog(agent.gpuDirectory, line);
    else editScenario(agent.gpuDirectory, (scenario) => addXid(scenario, position, 79));
    startedMs = performance.now();
    delays.push((await seen.found) - startedMs);
    await agent.client.acknowledgeCondition({ device: uuid, check: 'xid' });
    await agent.client
      .acknowledgeCondition({ device: uuid, check: 'xid_after_reset' })
      .catch(() => undefined);
    await pause(1100);
  }
  return delays;
}

/** `open` when the stream has begun, `found` with the moment of the first update that fits. */
function nextUpdate(agent, fits) {
  let opened;
  const open = new Promise((resolve) => (opened = resolve));
  const found = new Promise((resolve, reject) => {
    const watch = agent.client.watchNode({
      onUpdate: (update) => {
        const nowMs = performance.now();
        if (update.kind === 'snapshot') opened();
        if (!fits(update)) return;
        resolve(nowMs);
        watch.cancel();
      },
      onEnd: (error) => error && reject(error),
    });
  });
  return { open, found };
}
