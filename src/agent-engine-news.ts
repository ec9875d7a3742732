/** What becomes of engines belongs to the story of their devices, and a fresh start ends what only hurt the old process. */
import type { EngineStatus } from './domain/engine.js';
import type { DeviceHealthTracker } from './health/device-health.js';
import type { HealthHistory } from './health/health-history.js';

export class EngineNews {
  readonly #history: HealthHistory;
  readonly #health: Pick<DeviceHealthTracker, 'noteEngineRestarted'>;
  readonly #incarnations = new Map<string, string>();
  readonly #states = new Map<string, string>();

  constructor(history: HealthHistory, health: Pick<DeviceHealthTracker, 'noteEngineRestarted'>) {
    this.#history = history;
    this.#health = health;
  }

  /** All engines, after each change. */
  tell(engines: readonly EngineStatus[]): void {
    for (const engine of engines) {
      const { id, incarnation, deviceUuids } = engine;
      this.#noteState(engine);
      const before = this.#incarnations.get(id);
      this.#incarnations.set(id, incarnation);
      if (before !== undefined && before !== incarnation) this.#health.noteEngineRestarted(deviceUuids);
    }
  }

  #noteState({ id, state, reason, deviceUuids }: EngineStatus): void {
    const before = this.#states.get(id);
    this.#states.set(id, state);
    if (before === undefined || before === state) return;
    const said = `engine ${id} is ${state}, was ${before}${reason ? `: ${reason}` : ''}`;
    // Once, however many devices it has: `explain` finds it by the engine.
    const device = deviceUuids.length === 1 ? (deviceUuids[0] ?? null) : null;
    this.#history.add({ kind: 'engine', source: 'agent', device, engine: id, reason: said });
  }
}
