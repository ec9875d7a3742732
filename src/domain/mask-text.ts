/** Takes secrets out of free text: logs, errors, metrics pages, answers that are to leave the machine. */
export const masked = '[masked]';

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
/** What every text with one of the forms has; most texts have none of it. */
const hint = /key|token|secret|passw|passphrase|authorization|bearer|cookie|:\/\/|\b(?:sk|hf|ghp|glpat)[-_]/i;

/** The text without the given values, and without whatever is written in a form that secrets have. */
export function maskText(text: string, secrets: readonly string[] = []): string {
  // The longest first: one may begin with another.
  const known = [...secrets].sort((a, b) => b.length - a.length);
  const without = known.reduce((rest, secret) => rest.replaceAll(secret, masked), text);
  if (!hint.test(without)) return without;
  return forms.reduce(
    (rest, form) => rest.replace(form, (_, before: string) => `${before}${masked}`),
    without,
  );
}

/** Members whose text is a secret whatever it looks like. */
const secretMember = /^(authorization|proxy-authorization|cookie|x-api-key|api_?key|token|secret|password)$/i;

/** The same in every text of a value that came from JSON; the value itself stays as it is. */
export function maskTexts(value: unknown): unknown {
  if (typeof value === 'string') return maskText(value);
  if (Array.isArray(value)) return value.map(maskTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      typeof member === 'string' && secretMember.test(key) ? masked : maskTexts(member),
    ]),
  );
}

/** A line of JSON without secrets; quick where nothing hints at one. Never throws: whatever is no JSON is masked as text. */
export function maskLine(line: string): string {
  if (!hint.test(line)) return line;
  try {
    return `${JSON.stringify(maskTexts(JSON.parse(line)))}\n`;
  } catch {
    return `${maskText(line.trimEnd())}\n`;
  }
}
