/** Which values of a configuration are never shown: not by `config print`, not in the message of an error. */
import { masked } from '../domain/mask-text.js';

const secretName = /key|token|secret|passw|passphrase|seed|credential/i;
/** Names that match `secretName` but hold a path or a public name. */
const notSecret =
  /^(tls\.(key|tokenFile)|gateway\.keys\.(file|sharedStore)|.*\.tls\.(key|tokenFile)|.*[a-z]TokensPerMinute|.*\.maxTokens)$/;
/** Names that do not match and may hold a password. */
const carriesSecret = /^(gateway\.sharedStore|autoscaling\.lock)\.url$/;
/** `--api-key`, `--hf-token`; not `--max-num-batched-tokens` or `--tokenizer`. */
const secretFlag = /^--?([\w-]+[-_])?(key|token|secret|password)(=|$)/i;

export function isSecret(path: readonly string[]): boolean {
  const dotted = path.join('.');
  return carriesSecret.test(dotted) || (secretName.test(path.at(-1) ?? '') && !notSecret.test(dotted));
}

/** An argument vector without the values of flags that carry a secret, as `--api-key KEY` or `--api-key=KEY`. */
export function maskArguments(list: readonly unknown[]): unknown[] {
  return list.map((item, index) => {
    const before = list[index - 1];
    if (typeof before === 'string' && !before.includes('=') && secretFlag.test(before)) return masked;
    return typeof item === 'string' && item.includes('=') && secretFlag.test(item)
      ? item.replace(/=.*$/s, `=${masked}`)
      : item;
  });
}

/** Shorter values would mask ordinary words; a secret of under eight characters is none. */
const shortestSecret = 8;

/** Values of a configuration and of an environment that must not be seen anywhere, whatever stands around them. */
export function secretValuesOf(config: unknown, env: NodeJS.ProcessEnv = {}): string[] {
  const values = Object.entries(env).flatMap(([name, value]) => (isSecret([name]) && value ? [value] : []));
  const visit = (value: unknown, path: readonly string[]): void => {
    if (Array.isArray(value)) {
      values.push(...secretArguments(value));
      value.forEach((child, index) => visit(child, [...path, String(index)]));
    } else if (typeof value === 'object' && value !== null)
      for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
    else if (typeof value === 'string' && isSecret(path)) values.push(value, passwordIn(value));
  };
  visit(config, []);
  return values.filter((value) => value.length >= shortestSecret);
}

function secretArguments(list: readonly unknown[]): string[] {
  const shown = maskArguments(list);
  return list.flatMap((item, index) =>
    typeof item === 'string' && shown[index] !== item ? [item.replace(/^-[^=]*=/, '')] : [],
  );
}

/** Of `scheme://user:password@host`; empty without one. */
const passwordIn = (url: string): string => /:\/\/[^/:@]*:([^/@]+)@/.exec(url)?.[1] ?? '';
