/** Takes secrets out of free text: logs, metrics pages, answers that are to leave the machine. */
import { isMapping } from './load-config.js';
import { isSecret, maskArguments, masked } from './secret-values.js';

/** Shorter values would mask ordinary words; a secret of under eight characters is none. */
const shortestSecret = 8;

/** Forms in which secrets are written down; the last group of each is what is masked. */
const forms: readonly RegExp[] = [
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----)([\s\S]*?)(?=-----END|$)/g,
  /(\b(?:authorization|proxy-authorization|x-api-key|cookie)["']?\s*[:=]\s*["']?(?:bearer |basic )?)([^\s"',;}]+)/gi,
  /(\bbearer )([\w.~+/=-]{8,})/gi,
  /((?<![\w-])--?(?:[\w-]+[-_])?(?:key|token|secret|password)[= ]["']?)([^\s"',]+)/gi,
  /(["']?\b\w*(?:api_?key|access_?key|secret|token|passw(?:or)?d|passphrase)["']?\s*[:=]\s*["']?)(?!\d+\b|null|true|false|\[)([^\s"',;}]{6,})/gi,
  /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)([^\s/@]+)(?=@)/gi,
  /(\b)((?:sk|hf|ghp|glpat)[-_][A-Za-z0-9_-]{16,})/g,
];

/** Values of a configuration and of an environment that must not be seen anywhere, whatever stands around them. */
export function secretValuesOf(config: unknown, env: NodeJS.ProcessEnv = {}): string[] {
  const values = Object.entries(env).flatMap(([name, value]) => (isSecret([name]) && value ? [value] : []));
  const visit = (value: unknown, path: readonly string[]): void => {
    if (isMapping(value)) for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
    else if (Array.isArray(value)) {
      values.push(...secretArguments(value));
      value.forEach((child, index) => visit(child, [...path, String(index)]));
    } else if (typeof value === 'string' && isSecret(path)) values.push(value, passwordIn(value));
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

/** The text without the given values, and without whatever is written in a form that secrets have. */
export function maskText(text: string, secrets: readonly string[]): string {
  // The longest first: one may begin with another.
  const known = [...secrets].sort((a, b) => b.length - a.length);
  const without = known.reduce((rest, secret) => rest.replaceAll(secret, masked), text);
  return forms.reduce(
    (rest, form) => rest.replace(form, (_, before: string) => `${before}${masked}`),
    without,
  );
}
