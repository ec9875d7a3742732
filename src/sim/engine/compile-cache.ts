import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineSettings } from './engine-settings.js';
import { hashText } from './seeded-random.js';

const sound = 'compiled\n';
/** Written by a start that had the corruption fault: it is not corrupted a second time. */
const rebuilt = 'compiled again\n';

/**
 * The torch.compile cache, one small file below VLLM_CACHE_ROOT per model, release and flags: present = fast start,
 * absent = slow one, any unknown content = corrupted. Without VLLM_CACHE_ROOT every start is warm and nothing is written.
 */
export class CompileCache {
  readonly #folder: string | null;
  readonly #file: string;

  constructor(settings: EngineSettings, root: string | undefined, disabled: boolean) {
    const { model, tensorParallel, simulation } = settings;
    const key = hashText(`${model} ${tensorParallel} ${simulation.version}`).toString(16).padStart(8, '0');
    this.#folder = root && !disabled ? join(root, 'torch_compile_cache', key) : null;
    this.#file = join(this.#folder ?? '', 'computation_graph.py');
    this.alwaysCold = disabled;
  }

  readonly alwaysCold: boolean;

  state(): 'warm' | 'cold' | 'corrupt' {
    if (this.#folder === null) return this.alwaysCold ? 'cold' : 'warm';
    try {
      const content = readFileSync(this.#file, 'utf8');
      return content === sound || content === rebuilt ? 'warm' : 'corrupt';
    } catch {
      return 'cold';
    }
  }

  /** After a cold compile. */
  store(underFault: boolean): void {
    if (this.#folder === null) return;
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(this.#file, underFault ? rebuilt : sound);
  }

  /** Damages what is there; false when there is nothing (more) to damage. */
  corrupt(): boolean {
    if (this.#folder === null) return true;
    try {
      if (readFileSync(this.#file, 'utf8') === rebuilt) return false;
      writeFileSync(this.#file, 'Traceback: truncated artifact');
      return true;
    } catch {
      return false;
    }
  }
}
