/**
 * Speaks to systemd as a `Type=notify` service (sd_notify(3)): READY, STATUS, RELOADING, STOPPING, EXTEND_TIMEOUT_USEC, and
 * WATCHDOG from the main loop, so that a loop that stands still is restarted. Without NOTIFY_SOCKET every call does nothing.
 */
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { messageOf } from '../domain/error-codes.js';
import { loadAddon } from './load-addon.js';

export interface ServiceNotifierOptions {
  clock: Clock;
  logger: Logger;
  /** The three variables are taken out of it: children must not speak in this process's name. */
  env?: NodeJS.ProcessEnv;
  pid?: number;
}

type Send = (message: string) => void;

export class ServiceNotifier {
  readonly #clock: Clock;
  readonly #send: Send | null;
  readonly #watchdogMs: number | null;
  #watchdog: Timer | null = null;

  constructor({ clock, logger, env = process.env, pid = process.pid }: ServiceNotifierOptions) {
    this.#clock = clock;
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    this.#send = socket ? senderTo(socket, logger) : null;
    const mine = watched === undefined || watched === String(pid);
    this.#watchdogMs = mine && Number(usec) > 0 ? Number(usec) / 1000 : null;
  }

  /** The service serves; from here on the watchdog is fed. */
  ready(status: string): void {
    this.#tell(['READY=1', `STATUS=${oneLine(status)}`]);
    // Half of the limit, as sd_watchdog_enabled(3) advises: one late turn of the loop is not yet a failure.
    if (this.#send && this.#watchdogMs !== null)
      this.#watchdog ??= this.#clock.every(this.#watchdogMs / 2, () => this.#tell(['WATCHDOG=1']));
  }

  status(text: string): void {
    this.#tell([`STATUS=${oneLine(text)}`]);
  }

  /** Followed by `ready` when the reload is over, whether it was taken or refused. */
  reloading(): void {
    this.#tell(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`]);
  }

  /** A drain may take longer than the unit's stop limit: `extendMs` more from now on. */
  stopping(status: string, extendMs: number): void {
    this.#tell(['STOPPING=1', `STATUS=${oneLine(status)}`]);
    this.extendTimeout(extendMs);
  }

  /** Start and stop limits are pushed out to `ms` from now. */
  extendTimeout(ms: number): void {
    this.#tell([`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`]);
  }

  close(): void {
    this.#watchdog?.cancel();
    this.#watchdog = null;
  }

  #tell(lines: readonly string[]): void {
    this.#send?.(lines.join('\n'));
  }
}

/** A manager that cannot be reached is told of once; it will call the start failed, and the log says why. */
function senderTo(socket: string, logger: Logger): Send | null {
  let warned = false;
  try {
    const { sdNotify } = loadAddon();
    return (message) => {
      const error = sdNotify(socket, message);
      if (error !== null && !warned) logger.warn({ socket, error }, 'the service manager does not hear us');
      warned ||= error !== null;
    };
  } catch (error) {
    logger.error(
      { reason: messageOf(error) },
      'systemd waits for a message that only the native addon can send; build it, or set Type=exec in a drop-in of the unit',
    );
    return null;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
