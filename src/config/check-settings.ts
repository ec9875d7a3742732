import { z } from 'zod';
import { checksWithoutThreshold, checkThresholds } from '../domain/check-thresholds.js';

const ids: ReadonlySet<string> = new Set([...Object.keys(checkThresholds), ...checksWithoutThreshold]);

/** Limits and switches by check id. A misspelt id, or a number that no check looks at, would leave everything as it was in silence. */
export const checkSettingsSchema = z
  .record(
    z.string(),
    z.strictObject({ threshold: z.number().optional(), enabled: z.boolean().default(true) }),
  )
  .default({})
  .superRefine((checks, context) => {
    for (const [id, { threshold }] of Object.entries(checks)) {
      const problem = ids.has(id) ? problemOf(id, threshold) : unknownId(id);
      if (problem === null) continue;
      const path = ids.has(id) ? [id, 'threshold'] : [id];
      context.addIssue({ code: 'custom', path, message: problem });
    }
  });

function problemOf(id: string, threshold: number | undefined): string | null {
  if (threshold === undefined) return null;
  const range = checkThresholds[id];
  if (!range)
    return `${id} has no threshold, it fires on a state or an event; use enabled: false to switch it off`;
  const { unit, least, most } = range;
  if (threshold >= least && threshold <= most) return null;
  return `expected ${unit} from ${least} to ${most}`;
}

function unknownId(id: string): string {
  const alike = [...ids].find((known) => isAlike(known, id));
  return alike === undefined
    ? 'there is no such check; their ids are in src/health/README.md'
    : `there is no such check; did you mean ${alike}?`;
}

/** One letter too few, too many or wrong. */
function isAlike(known: string, id: string): boolean {
  let start = 0;
  while (start < known.length && known[start] === id[start]) start++;
  const [a, b] = [known.slice(start), id.slice(start)];
  return a.slice(1) === b.slice(1) || a === b.slice(1) || a.slice(1) === b;
}
