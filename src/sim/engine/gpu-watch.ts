import type { GpuDevice, GpuNode, Scenario } from './gpu-node.js';
import { StartFailure } from './start-failure.js';
import { startErrorAfter, xidEffect } from './xid-effects.js';

export interface GpuVictim {
  hang(): void;
  die(traceback: string): void;
}

/** The engine's bond to its simulated GPUs: what happens to one of them happens to the engine. */
export class GpuWatch {
  #seenSeq = 0;
  #stop: () => void = () => undefined;

  constructor(
    private readonly node: GpuNode,
    private readonly devices: readonly GpuDevice[],
  ) {}

  /** Throws StartFailure when a device is lost or still carries a fault that only a reset clears. */
  checkStart(): void {
    const scenario = this.node.readScenario();
    if (!scenario) return;
    this.#seenSeq = newestSeq(scenario);
    for (const { index } of this.devices) {
      if (scenario.devices[index]?.lost === true) throw new StartFailure('core', startErrorAfter(79));
      const standing = scenario.events.find(
        ({ device, type, code }) =>
          device === index && type === 'xid' && xidEffect(code ?? 0)?.effect === 'hang',
      );
      if (standing) throw new StartFailure('core', startErrorAfter(standing.code ?? 0));
    }
  }

  start(victim: GpuVictim): void {
    this.#stop = this.node.watch(() => this.#look(victim));
    this.#look(victim);
  }

  stop(): void {
    this.#stop();
  }

  #look(victim: GpuVictim): void {
    const scenario = this.node.readScenario();
    if (!scenario) return;
    const since = this.#seenSeq;
    const newest = newestSeq(scenario);
    // A scenario that was started over counts from the beginning again.
    this.#seenSeq = newest;
    const own = new Set(this.devices.map(({ index }) => index));
    for (const index of own) if (scenario.devices[index]?.lost === true) victim.hang();
    for (const { seq, device, type, code } of scenario.events) {
      if (seq <= since || !own.has(device) || type !== 'xid') continue;
      const found = xidEffect(code ?? 0);
      if (found?.effect === 'hang') victim.hang();
      else if (found) victim.die(`torch.AcceleratorError: CUDA error: ${found.cudaError}`);
    }
  }
}

function newestSeq({ events }: Scenario): number {
  return events.reduce((most, { seq }) => Math.max(most, seq), 0);
}
