import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** One line per issue: file, field, what is wrong with which value, and the remedy where the schema knows one. */
export function explainIssues(issues: readonly Issue[], raw: unknown, origin: string): string {
  return issues
    .flatMap((issue) => explain(issue, raw))
    .map((line) => `${origin}: ${line}`)
    .join('\n');
}

function explain(issue: Issue, raw: unknown): string[] {
  const field = formatPath(issue.path);
  const value = valueAt(raw, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (key) => `${formatPath([...issue.path, key])}: unknown key; remove it or correct its spelling`,
      );
    case 'invalid_type':
      return [
        value === undefined
          ? `${field}: missing; expected ${issue.expected}`
          : `${field}: expected ${issue.expected}, got ${show(value)}`,
      ];
    case 'invalid_value':
      return [`${field}: expected one of ${issue.values.map(show).join(', ')}, got ${show(value)}`];
    case 'invalid_union':
      return [`${field}: ${show(value)} fits none of the allowed forms`];
    case 'custom':
      return [
        `${field}: ${issue.message}${typeof value === 'string' || typeof value === 'number' ? ` (got ${show(value)})` : ''}`,
      ];
    default:
      return [`${field}: ${issue.message}, got ${show(value)}`];
  }
}

function formatPath(path: readonly PropertyKey[]): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text.replace(/^\./, '') || 'top level';
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    raw,
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
