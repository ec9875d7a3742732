import { controlPath, sendJson, type Handler } from './api-server.js';
import { badRequest } from './api-error.js';
import { raiseFault, runningFaults, type FaultTargets } from './fault-controller.js';
import { toFault } from './fault-spec.js';
import { UsageError } from './parse-flags.js';

/** `POST /sim/fault {"fault":"hang"}`; `GET` lists the names. */
export function controlRoutes(targets: FaultTargets): Map<string, Handler> {
  return new Map<string, Handler>([
    [`GET ${controlPath}`, ({ response }) => sendJson(response, 200, { faults: Object.keys(runningFaults) })],
    // What no metric tells at once: for tests that wait on a condition.
    [
      'GET /sim/state',
      ({ response }) => {
        const { loop, scheduler, dead } = targets.engine;
        const { running, waiting, pool } = scheduler;
        sendJson(response, 200, {
          open: loop.openRequests,
          running: running.length,
          waiting: waiting.length,
          freeBlocks: pool.freeCount,
          hung: loop.hung,
          dead,
        });
      },
    ],
    [
      `POST ${controlPath}`,
      async ({ response, json }) => {
        try {
          const spec = toFault(await json());
          // The answer goes out first: a crash would take it along.
          if (['crash', 'exit', 'die', 'oom'].includes(spec.fault)) {
            sendJson(response, 200, { raised: spec.fault });
            await new Promise((resolve) => response.once('close', resolve).once('finish', resolve));
            raiseFault(targets, spec);
          } else {
            raiseFault(targets, spec);
            sendJson(response, 200, { raised: spec.fault });
          }
        } catch (error) {
          throw error instanceof UsageError ? badRequest(error.message) : error;
        }
      },
    ],
  ]);
}
