/** The simulated CUDA driver for a test: its library and a scenario file that can change while processes run. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativePath } from '../../src/native/native-paths.js';

export class SimulatedCuda {
  readonly library = nativePath('libinfernode_cuda_sim.so');
  readonly directory = mkdtempSync(join(tmpdir(), 'infernode-cuda-'));
  readonly scenarioPath = join(this.directory, 'scenario');

  constructor(...lines: string[]) {
    this.scenario(...lines);
  }

  /** What a process that is to see the scenario needs in its environment. */
  get env(): Record<string, string> {
    return { INFERNODE_CUDA_SIM: this.scenarioPath };
  }

  /** Replaces the scenario; `native/cuda_sim/README.md` has the lines. */
  scenario(...lines: string[]): void {
    writeFileSync(`${this.scenarioPath}.next`, `${lines.join('\n')}\n`);
    renameSync(`${this.scenarioPath}.next`, this.scenarioPath);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
