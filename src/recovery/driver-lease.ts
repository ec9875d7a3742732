/**
 * Who may have the driver: the agent, or somebody who upgrades or resets it. A release drains the engines, closes NVML, and keeps every
 * device cordoned by `driver-release` until the driver is acquired again; over a restart of the agent too, because the cordon is kept on
 * disk. One at a time: a second asker is refused, never queued.
 */
import type { DriverState } from '../domain/device.js';
import type { EngineStatus } from '../domain/engine.js';
import { InfernodeError } from '../domain/error-codes.js';
import { sleep } from '../runtime/clock.js';
import type { RecoveryParts } from './recovery-parts.js';

export const releaseHolder = 'driver-release';
const pollMs = 100;
/** An engine's own drain deadline and stop come first; this is for one that does not end at all. */
const maxDrainMs = 30 * 60_000;

export class DriverLease {
  readonly #parts: RecoveryParts;
  #busy: string | null = null;
  /** Engines that the release stopped. */
  #stopped: string[] = [];

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Closed by an agent before this one, and not acquired since. */
  get isHeldByOthers(): boolean {
    const devices = this.#parts.devices.list();
    return (
      devices.length > 0 &&
      devices.every(({ cordons }) => cordons.some(({ holder }) => holder === releaseHolder))
    );
  }

  /** Throws `driver-busy`: another release or a reset is under way, an engine does not end, or the driver is still held. */
  async releaseDriver(drainDeadlineMs: number | null): Promise<DriverState> {
    return this.exclusively('a release of the driver', async () => {
      const { devices, engines, driver } = this.#parts;
      for (const { identity } of devices.list())
        devices.cordon(identity.uuid, releaseHolder, 'the driver is released');
      const running = engines.list().filter(isSupervisedAndUp);
      await this.drain(
        running.map(({ id }) => id),
        drainDeadlineMs,
      );
      this.#stopped = [...new Set([...this.#stopped, ...running.map(({ id }) => id)])];
      await driver.release();
      this.#note('the driver is released: engines are stopped, NVML is closed');
      return { state: 'released', reason: 'released on request' };
    });
  }

  /** Throws `driver-busy`. Devices stay cordoned while the driver cannot be opened. */
  async acquireDriver(): Promise<DriverState> {
    return this.exclusively('an acquisition of the driver', async () => {
      const { devices, driver, engines, logger } = this.#parts;
      const state = await driver.acquire();
      if (state.state !== 'ok') {
        this.#note(`the driver cannot be opened again: ${state.reason}`);
        return state;
      }
      for (const { identity } of devices.list()) devices.uncordon(identity.uuid, releaseHolder);
      for (const engineId of this.#stopped.splice(0))
        await engines
          .startEngine({ engineId, template: '', devices: [] })
          .catch((error: unknown) =>
            logger.warn({ err: error, engineId }, 'the engine could not be started again'),
          );
      this.#note('the driver is acquired again');
      return state;
    });
  }

  /** Runs alone; throws `driver-busy` when something else does. */
  async exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy !== null)
      throw new InfernodeError(
        'driver-busy',
        `expected nobody else at the driver, got ${this.#busy} under way`,
      );
    this.#busy = what;
    try {
      return await work();
    } finally {
      this.#busy = null;
    }
  }

  /** Resolves when all of them have ended; throws `driver-busy` when one does not. */
  async drain(engineIds: readonly string[], deadlineMs: number | null): Promise<void> {
    const { engines, clock } = this.#parts;
    for (const id of engineIds) {
      // One that is on its way down already needs no second word.
      const state = engines.list().find((engine) => engine.id === id)?.state;
      if (state === 'starting' || state === 'ready') await engines.drainEngine(id, deadlineMs);
    }
    const untilMs = clock.monotonicMs() + (deadlineMs ?? maxDrainMs) + maxDrainMs / 10;
    for (;;) {
      const left = engines
        .list()
        .filter((engine) => engineIds.includes(engine.id) && isSupervisedAndUp(engine));
      if (left.length === 0) return;
      if (clock.monotonicMs() > untilMs)
        throw new InfernodeError(
          'driver-busy',
          `expected engine "${left[0]?.id}" to end, it is ${left[0]?.state}`,
        );
      await sleep(clock, pollMs);
    }
  }

  #note(reason: string): void {
    this.#parts.logger.info(reason);
    this.#parts.note({ kind: 'action', source: 'agent', reason });
  }
}

/** An attached engine is nobody's to stop; the operator who releases the driver ends it. */
export function isSupervisedAndUp({ origin, pid, state }: EngineStatus): boolean {
  return (
    origin === 'supervised' &&
    (pid !== null || state === 'ready' || state === 'starting' || state === 'draining')
  );
}
