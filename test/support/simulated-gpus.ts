/** The GPUs of a simulated node, in a directory of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createSimulatedNode,
  editScenario,
  takeSeq,
  type DriverProfileName,
  type GpuScenario,
  type ScenarioEvent,
} from '../../src/sim/gpu-scenario.js';

export class SimulatedGpus {
  readonly directory = mkdtempSync(join(tmpdir(), 'infernode-gpus-'));
  readonly libraryPath: string;
  readonly uuids: string[];

  constructor(gpus = 4, profile = 'H100-80', driver?: DriverProfileName) {
    const node = createSimulatedNode(this.directory, {
      gpus,
      profile,
      seed: 1,
      ...(driver === undefined ? {} : { driver }),
    });
    this.libraryPath = node.libraryPath;
    this.uuids = node.uuids;
  }

  edit(change: (scenario: GpuScenario) => void): void {
    editScenario(this.directory, change);
  }

  raise(type: ScenarioEvent['type'], device: number, code = 0): void {
    this.edit((scenario) => scenario.events.push({ seq: takeSeq(scenario), device, type, code }));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
