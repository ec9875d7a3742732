/**
 * Engines of an earlier cluster in this directory whose `up` and agent were both killed: their keepers go on, and once the
 * directory is cleared nobody could find them again.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InfernodeError } from '../../domain/error-codes.js';
import { sweepRun } from '../../engine/launch-keeper.js';
import { nativePath } from '../../native/native-paths.js';
import type { Clock } from '../../runtime/clock.js';

/** Throws when a process does not end: a second cluster beside it would meet full GPUs. */
export async function endLeftEngines(directory: string, clock: Clock): Promise<void> {
  for (const runDir of runDirectoriesIn(resolve(directory))) {
    const { remaining } = await sweepRun(nativePath('infernode-keeper'), runDir, null, clock);
    if (remaining.length > 0)
      throw new InfernodeError(
        'internal',
        `processes ${remaining.join(', ')} of an earlier \`infernode up\` do not end; give another --state-dir`,
      );
  }
}

function runDirectoriesIn(directory: string): string[] {
  const below = (parent: string): string[] =>
    existsSync(parent) ? readdirSync(parent).map((name) => join(parent, name)) : [];
  return below(join(directory, 'nodes'))
    .flatMap((node) => below(join(node, 'state', 'engines')))
    .flatMap((engine) => below(join(engine, 'runs')));
}
