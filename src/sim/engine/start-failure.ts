import type { Speaker } from './engine-log.js';

/** A start that cannot succeed: who prints the traceback, its last line, exit code 1. */
export class StartFailure extends Error {
  constructor(
    readonly speaker: Speaker,
    /** Last line of the traceback, such as `ValueError: ...`. */
    readonly traceback: string,
    readonly exitCode = 1,
  ) {
    super(traceback);
  }
}
