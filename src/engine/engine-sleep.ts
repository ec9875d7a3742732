/**
 * Sleep and wake of one running engine (contract 3.4 and 6). Level 1 keeps the weights in host memory, level 2 drops them.
 * Falling asleep drains first. Waking is a start: the engine takes work again only after a check and a first token.
 *
 * The paths have no authentication, so they are used on loopback only; vLLM's dev mode opens far more than sleep.
 */
import type { TemplateConfig } from '../config/agent-config.js';
import { InfernodeError } from '../domain/error-codes.js';
import { sleep as pause, type Clock } from '../runtime/clock.js';
import type { EngineProbe } from './probe-engine.js';

export type SleepLevel = 1 | 2;

/** Moving 140 GB of weights over PCIe takes about 10 s, reloading them from disk minutes. */
const callLimitMs = 600_000;
const checkPauseMs = 200;
const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Why the engine cannot sleep, or `null`. */
export function whyNoSleep(template: TemplateConfig, url: string): string | null {
  if (template.adapter !== 'vllm') return `adapter ${template.adapter} knows no sleep`;
  if (template.sleep === null) return 'its template has no `sleep`; set `sleep: { level: 1 }` and restart it';
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  if (!loopback.test(host) && template.sleep.front === null)
    return `it listens on ${host}, where vLLM's admin paths would be open to anybody; let it listen on loopback, or declare \`sleep.front\``;
  return null;
}

export class EngineSleep {
  readonly #probe: Pick<EngineProbe, 'health' | 'canary' | 'post'>;
  readonly #model: string;
  readonly #clock: Clock;

  constructor(probe: Pick<EngineProbe, 'health' | 'canary' | 'post'>, model: string, clock: Clock) {
    this.#probe = probe;
    this.#model = model;
    this.#clock = clock;
  }

  /** Resolves when the memory has been given back. Rejects with one sentence. */
  async fallAsleep(level: SleepLevel): Promise<void> {
    await this.#call(`/sleep?level=${level}&mode=abort`);
  }

  /** Resolves after the first token. Rejects with one sentence; the engine is of no use then. */
  async wake(level: SleepLevel, signal: AbortSignal): Promise<void> {
    if (level === 1) await this.#call('/wake_up');
    else {
      await this.#call('/wake_up?tags=weights');
      await this.#call('/collective_rpc', { method: 'reload_weights' });
      await this.#call('/wake_up?tags=kv_cache');
    }
    while (!signal.aborted) {
      if ((await this.#probe.health()).kind === 'ok' && (await this.#probe.canary(this.#model, signal)))
        return;
      await pause(this.#clock, checkPauseMs, signal);
    }
    throw new InfernodeError('internal', 'it did not give a first token after waking');
  }

  async #call(path: string, body: object | null = null): Promise<void> {
    const status = await this.#probe.post(path, body, callLimitMs);
    if (status !== 200)
      throw new InfernodeError('internal', `expected 200 of ${path}, got ${status ?? 'no answer'}`);
  }
}
