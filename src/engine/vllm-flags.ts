/**
 * Wishes in the words of a template, mapped to the flags that an installed vLLM has. What was renamed is renamed, what lost
 * its meaning is left out and said, and what this version does not know is refused by name, before anything starts: vLLM
 * itself would end with exit code 2 after the devices were given away. Releases are those of the contract, sections 1 and 2.
 */
import { InfernodeError } from '../domain/error-codes.js';
import { compareVersions } from './plan/compare-versions.js';
import type { VllmProgram } from './vllm-program.js';

export interface MappedFlags {
  args: string[];
  env: Record<string, string>;
  /** One sentence for each wish that was changed or left out. */
  notes: string[];
}

/** One flag with its values, as it was written. */
export interface Wish {
  name: string;
  values: string[];
}

type Mapping = Partial<MappedFlags> | null;

/** `null`: cannot be said in this version. Tried only when the flag itself is unknown. */
type Rename = (values: readonly string[], knows: (flag: string) => boolean, version: string) => Mapping;

const leftOut =
  (why: string): Rename =>
  () => ({ notes: [`left out: ${why}`] });

const json = (value: unknown): string => JSON.stringify(value);

const renames: Readonly<Record<string, Rename>> = {
  '--cudagraph-capture-sizes': (sizes, knows) =>
    knows('--cuda-graph-sizes')
      ? { args: ['--cuda-graph-sizes', ...sizes] }
      : knows('--compilation-config')
        ? { args: ['--compilation-config', json({ cudagraph_capture_sizes: sizes.map(Number) })] }
        : null,
  '--cuda-graph-sizes': (sizes, knows) =>
    !knows('--cudagraph-capture-sizes')
      ? null
      : sizes.length === 1 && knows('--max-cudagraph-capture-size')
        ? { args: ['--max-cudagraph-capture-size', ...sizes] }
        : { args: ['--cudagraph-capture-sizes', ...sizes] },
  // A single value of the older flag was the largest size.
  '--max-cudagraph-capture-size': (size, knows) =>
    knows('--cuda-graph-sizes') ? { args: ['--cuda-graph-sizes', ...size] } : null,
  '--attention-backend': ([name = ''], _knows, version) =>
    compareVersions(version, '0.15') < 0 ? { env: { VLLM_ATTENTION_BACKEND: name } } : null,
  '--guided-decoding-backend': ([backend], knows) =>
    knows('--structured-outputs-config')
      ? { args: ['--structured-outputs-config', json({ backend })] }
      : null,
  '--rope-scaling': ([value = 'null'], knows) =>
    knows('--hf-overrides') ? { args: ['--hf-overrides', `{"rope_scaling":${value}}`] } : null,
  '--spec-method': specPart('method'),
  '--spec-model': specPart('model'),
  '--spec-tokens': specPart('num_speculative_tokens'),
  '--disable-log-requests': leftOut('requests are not logged by default any more'),
  '--enable-log-requests': leftOut('this version logs requests by default'),
  '--shutdown-timeout': leftOut('this version ends running requests at once on SIGTERM'),
  '--swap-space': leftOut('the V1 engine has no swap space'),
  '--device': leftOut('the device is found by the engine'),
  '--num-scheduler-steps': leftOut('the V1 engine schedules every step'),
  '--preemption-mode': leftOut('the V1 engine always recomputes'),
  '--disable-async-output-proc': leftOut('the V1 engine has no such step'),
  '--num-lookahead-slots': leftOut('it is part of the speculative configuration'),
  '--lora-extra-vocab-size': leftOut('adapters bring no extra vocabulary any more'),
  '--max-seq-len-to-capture': leftOut('graphs are captured by batch size'),
  '--enable-reasoning': leftOut('--reasoning-parser alone turns it on'),
  '--max-num-partial-prefills': leftOut('the scheduler decides by itself'),
};

function specPart(key: string): Rename {
  return ([value = ''], knows) =>
    knows('--speculative-config') ? { args: [`--speculative-config.${key}`, value] } : null;
}

/** Set by the agent: a template that sets them would take the engine away from its probe, or off loopback. */
const agentsOwn = new Set(['--host', '--port', '--uds', '--headless']);

/** Throws `config-invalid` that names every flag at fault, at once. */
export function mapFlags(args: readonly string[], program: VllmProgram): MappedFlags {
  const { version, flags } = program;
  const result: MappedFlags = { args: [], env: {}, notes: [] };
  const refused: string[] = [];
  for (const wish of wishesIn(args)) {
    const { name, values } = wish;
    if (agentsOwn.has(normal(name))) refused.push(`${name} is set by the agent; leave it out`);
    else if (flags === null || name === '' || isKnown(name, flags)) result.args.push(...wordsOf(wish));
    else {
      const mapping = renames[normal(name)]?.(values, (flag) => flags.has(flag), version ?? '') ?? null;
      if (mapping === null) {
        refused.push(`${name} is not a flag of vLLM ${version ?? '(version unknown)'}`);
        continue;
      }
      result.args.push(...(mapping.args ?? []));
      Object.assign(result.env, mapping.env);
      const said = mapping.args?.[0] ?? Object.keys(mapping.env ?? {})[0];
      result.notes.push(`${name} ${said ? `became ${said}` : (mapping.notes?.[0] ?? 'left out')}`);
    }
  }
  if (refused.length === 0) return result;
  throw new InfernodeError('config-invalid', `template args: ${refused.join('; ')}`);
}

/** Words up to the next one with a dash belong to the flag before; those before the first flag have none. */
export function wishesIn(args: readonly string[]): Wish[] {
  const wishes: Wish[] = [];
  for (const word of args) {
    const last = wishes.at(-1);
    if (/^-[^\d.]/.test(word)) {
      const equals = word.indexOf('=');
      wishes.push(
        equals < 0
          ? { name: word, values: [] }
          : { name: word.slice(0, equals), values: [word.slice(equals + 1)] },
      );
    } else if (last) last.values.push(word);
    else wishes.push({ name: '', values: [word] });
  }
  return wishes;
}

/** Values of a flag in a template's arguments, the last one when it is repeated; `null` when it is absent. */
export function valuesOf(args: readonly string[], ...names: string[]): string[] | null {
  const found = wishesIn(args).filter(({ name }) => names.includes(normal(name)));
  return found.at(-1)?.values ?? null;
}

const wordsOf = ({ name, values }: Wish): string[] => (name === '' ? values : [name, ...values]);

/** vLLM takes underscores for dashes. */
const normal = (name: string): string => {
  const dot = name.indexOf('.');
  const head = dot < 0 ? name : name.slice(0, dot);
  return head.replaceAll('_', '-') + (dot < 0 ? '' : name.slice(dot));
};

/** Also `--no-x` of a switch, `--json-flag.key` of a JSON flag, `-O3`, and an abbreviation that fits one flag only. */
function isKnown(name: string, flags: ReadonlySet<string>): boolean {
  const spelled = normal(name);
  const head = spelled.split('.')[0] ?? spelled;
  if (flags.has(spelled) || flags.has(head)) return true;
  if (/^-O[0-3]?$/.test(spelled)) return flags.has('-O') || flags.has('--optimization-level');
  if (spelled.startsWith('--no-') && flags.has(`--${spelled.slice(5)}`)) return true;
  return spelled.startsWith('--') && [...flags].filter((flag) => flag.startsWith(spelled)).length === 1;
}
