import type { z } from 'zod';
import { variablePath } from './load-config.js';

/** Variables that are no configuration: the log level, the client's proof, the build, the simulators, a kubelet's service links. */
const otherNames =
  /^INFERNODE_(LOG_LEVEL|CLIENT_\w+|BUILD_\w+|SIM_\w+|\w*(SERVICE_(HOST|PORT)\w*|PORT(_\d+_\w+)?))$/;

/**
 * `INFERNODE_*` variables that neither process reads, each as a sentence; a misspelt one would pass in silence otherwise. Both
 * processes may share one environment, so that what the other one knows is no mistake.
 */
export function unknownVariables(schemas: readonly z.ZodType[], env: NodeJS.ProcessEnv): string[] {
  const known = new Set(
    schemas.flatMap((schema) => Object.keys((schema as Partial<z.ZodObject>).shape ?? {})),
  );
  return Object.keys(env)
    .filter((name) => name.startsWith('INFERNODE_') && !otherNames.test(name))
    .filter((name) => !known.has(variablePath(name)[0] ?? ''))
    .map(
      (name) =>
        `${name}: nothing reads this variable; INFERNODE_LISTEN__CONTROL sets listen.control: two underscores go a level down`,
    );
}
