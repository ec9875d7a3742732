import { ApiError, badRequest } from './api-error.js';
import { sendEmpty, sendJson, type Call, type Handler } from './api-server.js';
import type { SimulatedEngine } from './simulated-engine.js';
import type { PauseMode, SleepState } from './sleep-state.js';
import { isAtLeast } from './vllm-version.js';

/** Endpoints of VLLM_SERVER_DEV_MODE=1; like vLLM's they ask for no key. */
export function developerRoutes(engine: SimulatedEngine, sleep: SleepState): Map<string, Handler> {
  const { flags, simulation } = engine.settings;
  return new Map<string, Handler>([
    [
      'POST /sleep',
      async ({ response, url }) => {
        const level = Number(url.searchParams.get('level') ?? 1);
        if (![0, 1, 2].includes(level)) throw badRequest(`level must be 0, 1 or 2, got ${level}`);
        if (level > 0 && flags.get('enable-sleep-mode') !== true)
          throw new ApiError(
            500,
            'InternalServerError',
            'Sleep mode is not enabled. Please use --enable-sleep-mode',
          );
        await sleep.sleep(level, modeOf(url));
        sendEmpty(response, 200);
      },
    ],
    [
      'POST /wake_up',
      ({ response, url }) => {
        sleep.wake(url.searchParams.getAll('tags'));
        sendEmpty(response, 200);
      },
    ],
    ['GET /is_sleeping', ({ response }) => sendJson(response, 200, { is_sleeping: sleep.sleeping })],
    [
      'POST /pause',
      async ({ response, url }) => {
        await sleep.pause(modeOf(url), url.searchParams.get('clear_cache') !== 'false');
        sendJson(response, 200, { status: 'paused' });
      },
    ],
    [
      'POST /resume',
      ({ response }) => {
        sleep.resume();
        sendJson(response, 200, { status: 'resumed' });
      },
    ],
    ['GET /is_paused', ({ response }) => sendJson(response, 200, { is_paused: sleep.paused })],
    [
      'POST /reset_prefix_cache',
      ({ response }) => {
        const success = engine.scheduler.pool.reset();
        if (isAtLeast(simulation.version, '0.12')) sendJson(response, 200, { success });
        else sendEmpty(response, 200);
      },
    ],
    ['POST /reset_mm_cache', ({ response }) => sendEmpty(response, 200)],
    ['POST /reset_encoder_cache', ({ response }) => sendEmpty(response, 200)],
    ['POST /abort_requests', (call) => abortRequests(engine, call)],
    ['POST /collective_rpc', ({ response }) => sendJson(response, 200, { results: [null] })],
    [
      'GET /server_info',
      ({ response }) => sendJson(response, 200, { vllm_config: Object.fromEntries(flags) }),
    ],
  ]);
}

function modeOf(url: URL): PauseMode {
  const mode = url.searchParams.get('mode') ?? 'abort';
  if (mode === 'abort' || mode === 'wait' || mode === 'keep') return mode;
  throw badRequest(`mode must be abort, wait or keep, got ${mode}`);
}

async function abortRequests(engine: SimulatedEngine, { response, json }: Call): Promise<void> {
  const ids = (await json())['request_ids'];
  if (Array.isArray(ids)) engine.abortById(new Set(ids.map(String)));
  else engine.loop.abortAll();
  sendEmpty(response, 200);
}
