/**
 * The heartbeat of one device: a long-lived process replays a small graph, and this side watches that it does. A process that
 * ends is started again, later each time; one that is silent is killed, and abandoned where it cannot be.
 *
 * `missed` is a statement about the device, so it is made only after the device has beaten: a driver that is not there, or memory
 * that an engine has taken, is no missed beat (`null`: nobody beats).
 */
import { backoffMs } from '../runtime/backoff.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { ProbeChild } from './probe-child.js';
import type { DeviceProbeMetrics } from './probe-metrics.js';

export interface DeviceHeartbeatOptions {
  library: string;
  deviceUuid: string;
  intervalMs: number;
  /** Silence after which the beat is missed and the process is replaced. */
  missedAfterMs: number;
  clock: Clock;
  logger: Logger;
  metrics: DeviceProbeMetrics;
  env?: NodeJS.ProcessEnv;
}

/** A start may compile kernels and wait for the driver's lock. */
const startLimitMs = 30_000;
/** A sticky error or a crash is not cured by trying at once; a minute is what an operator notices. */
const backoff = { baseMs: 1000, capMs: 60_000, jitterRatio: 0.2 };

interface Message {
  ready?: boolean;
  beat?: number;
  latencyUs?: number;
  error?: { code: string; message: string };
}

export class DeviceHeartbeat {
  readonly #options: DeviceHeartbeatOptions;
  #child: ProbeChild | null = null;
  #silence: Timer | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #hasBeaten = false;
  #missed = false;
  #closed = false;

  constructor(options: DeviceHeartbeatOptions) {
    this.#options = options;
    this.#start();
  }

  /** `null` before the first beat. */
  get missed(): boolean | null {
    return this.#hasBeaten ? this.#missed : null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Idempotent; ends the process, or leaves it behind where it cannot be ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#silence?.cancel();
    this.#retry?.cancel();
    this.#child?.kill('the heartbeat was closed');
    this.#options.metrics.forget(this.#options.deviceUuid);
  }

  #start(): void {
    const { library, deviceUuid, intervalMs, clock, env } = this.#options;
    const args = ['--heartbeat', '--library', library, '--device', deviceUuid];
    args.push('--interval-ms', String(intervalMs));
    this.#watch(startLimitMs);
    try {
      this.#child = new ProbeChild({
        args,
        clock,
        env,
        onLine: (line) => this.#hear(line),
        onEnd: ({ reason, abandoned }) => this.#ended(reason, abandoned),
      });
    } catch (error) {
      this.#ended(String(error), false);
    }
  }

  #hear(line: string): void {
    if (this.#closed) return;
    const message = parse(line);
    const { metrics, deviceUuid, missedAfterMs, logger } = this.#options;
    if (typeof message.latencyUs === 'number') {
      this.#hasBeaten = true;
      this.#missed = false;
      this.#failures = 0;
      metrics.observeBeat(deviceUuid, message.latencyUs / 1e6);
      this.#watch(missedAfterMs);
    } else if (message.error) {
      logger.warn({ deviceUuid, ...message.error }, 'the heartbeat process met an error');
      // The device answered wrongly or not at all; a start that fails says nothing about it.
      if (this.#hasBeaten) this.#miss();
    }
  }

  #watch(limitMs: number): void {
    this.#silence?.cancel();
    this.#silence = this.#options.clock.after(limitMs, () => {
      if (this.#hasBeaten) this.#miss();
      this.#child?.kill(`silent for ${limitMs} ms`);
    });
  }

  #miss(): void {
    if (!this.#missed)
      this.#options.logger.warn({ deviceUuid: this.#options.deviceUuid }, 'the device missed its heartbeat');
    this.#missed = true;
    this.#options.metrics.observeMissed(this.#options.deviceUuid);
  }

  #ended(reason: string, abandoned: boolean): void {
    const { clock, logger, metrics, deviceUuid } = this.#options;
    this.#silence?.cancel();
    this.#child = null;
    if (abandoned) metrics.countAbandoned();
    if (this.#closed) return;
    const delayMs = backoffMs(this.#failures, backoff);
    this.#failures += 1;
    logger.info(
      { deviceUuid, reason, abandoned, retryInMs: Math.round(delayMs) },
      'the heartbeat process has ended',
    );
    this.#retry = clock.after(delayMs, () => {
      metrics.countRestart(deviceUuid);
      this.#start();
    });
  }
}

function parse(line: string): Message {
  try {
    return (JSON.parse(line) ?? {}) as Message;
  } catch {
    return {};
  }
}
