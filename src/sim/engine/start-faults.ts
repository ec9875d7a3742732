import { readFileSync, writeFileSync } from 'node:fs';
import { parameter, parseFaults, word, type FaultSpec } from './fault-spec.js';
import type { LoadPhase } from './load-engine.js';
import { startCauses } from './start-causes.js';
import { StartFailure } from './start-failure.js';
import { UsageError } from './parse-flags.js';

/** Faults of a start; every other name given at start is raised once the engine is ready. */
export const startFaults = [
  'refuse-start',
  'slow-start',
  'hang-start',
  'crash-start',
  'compile-cache',
] as const;

/** The faults in force while the engine loads: of INFERNODE_SIM_FAULT and of the file INFERNODE_SIM_FAULT_FILE. */
export class StartFaults {
  readonly #specs: FaultSpec[];
  /** Factor on the load time. */
  readonly slowFactor: number;

  constructor(
    text: string,
    private readonly file: string | undefined,
  ) {
    this.#specs = [...parseFaults(text), ...parseFaults(readOrEmpty(file))];
    const slow = this.#find('slow-start');
    this.slowFactor = slow ? parameter(slow, 'factor', 10) : 1;
  }

  /** Names that are raised after the start. */
  get later(): FaultSpec[] {
    return this.#specs.filter(({ fault }) => !(startFaults as readonly string[]).includes(fault));
  }

  get corruptsCompileCache(): boolean {
    return this.#find('compile-cache') !== undefined;
  }

  /** Ignoring signals is of use during the load already. */
  get ignoresSignals(): boolean {
    return this.#find('ignore-sigterm') !== undefined;
  }

  /** Throws what the phase is to fail with; `stuck` says that it never ends, `crash` that a child is to be killed. */
  enter(phase: LoadPhase, eager: boolean): 'go' | 'stuck' | 'crash' {
    // Without capture there is nothing in this phase that could fail.
    if (phase === 'graphs' && eager) return 'go';
    const refuse = this.#find('refuse-start');
    if (refuse) refuseIn(phase, refuse);
    const hang = this.#find('hang-start');
    if (hang && word(hang, 'phase', 'weights') === phase) return 'stuck';
    const crash = this.#find('crash-start');
    return crash && word(crash, 'phase', 'weights') === phase ? 'crash' : 'go';
  }

  /** Makes the next start of this engine fail; false without a file. */
  refuseNext(spec: FaultSpec): boolean {
    if (!this.file) return false;
    writeFileSync(this.file, JSON.stringify({ ...spec.parameters, fault: spec.fault }));
    return true;
  }

  #find(name: string): FaultSpec | undefined {
    return this.#specs.find(({ fault }) => fault === name);
  }
}

function refuseIn(phase: LoadPhase, spec: FaultSpec): void {
  const name = word(spec, 'cause', 'memory');
  const cause = startCauses[name];
  if (!cause)
    throw new UsageError(`expected cause to be one of ${Object.keys(startCauses).join(', ')}; got "${name}"`);
  if (cause.phase === phase)
    throw new StartFailure('core', word(spec, 'message', cause.traceback), parameter(spec, 'code', 1));
}

function readOrEmpty(file: string | undefined): string {
  if (!file) return '';
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
