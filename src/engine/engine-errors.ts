/** Refusals of this folder in the project's sentence form; what came from outside is cut short. */
import type { EngineStatus } from '../domain/engine.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { CauseClass, ExitCause } from './explain-exit.js';

const shown = (text: string): string => text.slice(0, 80);

export function engineUnknown(id: string, known: readonly string[]): InfernodeError {
  const names = known.slice(0, 32).join(', ') || 'none';
  return new InfernodeError(
    'engine-unknown',
    `expected an engine of this node (${names}), got "${shown(id)}"`,
  );
}

export function engineAttached(id: string, what: string): InfernodeError {
  return new InfernodeError(
    'engine-attached',
    `engine "${id}" is attached: it is run by somebody else and cannot be ${what} from here`,
  );
}

export function engineWrongState({ id, state }: EngineStatus, expected: string): InfernodeError {
  return new InfernodeError('engine-wrong-state', `expected engine "${id}" to ${expected}, it is ${state}`);
}

export function engineIdInvalid(id: string): InfernodeError {
  return new InfernodeError(
    'argument-invalid',
    `expected an engine id of letters, digits, dot, dash or underscore, got "${shown(id)}"`,
  );
}

export function templateUnknown(template: string, known: readonly string[]): InfernodeError {
  return new InfernodeError(
    'template-unknown',
    `expected a template of this node (${known.join(', ') || 'none'}), got "${shown(template)}"`,
  );
}

/** A start that was not even tried, with the class that its failure counts under. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused';
  constructor(
    readonly causeClass: CauseClass,
    message: string,
  ) {
    super(message);
  }
}

/** An engine keeps its template; another one needs another id. */
export function requireTemplate(id: string, own: string, wanted: string): void {
  if (wanted === '' || wanted === own) return;
  throw new InfernodeError(
    'engine-exists',
    `engine "${id}" exists with template "${own}"; choose another id for "${shown(wanted)}"`,
  );
}

/** Why an engine could not be launched, for its status. */
export function causeOfRefusal(error: unknown): ExitCause {
  return { class: error instanceof StartRefused ? error.causeClass : 'config', text: messageOf(error) };
}
