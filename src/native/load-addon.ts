import { createRequire } from 'node:module';
import type * as Addon from '../../native/addon.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { nativePath } from './native-paths.js';

export type { Addon };

let loaded: typeof Addon | null = null;

/** The addon, loaded on first use. Throws with the build command when it cannot be loaded. */
export function loadAddon(): typeof Addon {
  loaded ??= load(nativePath('infernode.node'));
  return loaded;
}

function load(path: string): typeof Addon {
  try {
    return createRequire(import.meta.url)(path) as typeof Addon;
  } catch (error) {
    throw new InfernodeError(
      'internal',
      `expected ${path} to load, got: ${messageOf(error)}; build it for this machine with \`npm run build:native\``,
      { cause: error },
    );
  }
}
