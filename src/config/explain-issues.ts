import type { z } from 'zod';
import { masked } from '../domain/mask-text.js';
import { isSecret, maskArguments } from './secret-values.js';

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
  const got = showAt(issue.path, value);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (key) => `${formatPath([...issue.path, key])}: unknown key; remove it or correct its spelling`,
      );
    case 'invalid_type':
      return [
        value === undefined
          ? `${field}: missing; expected ${issue.expected}`
          : `${field}: expected ${issue.expected}, got ${got}`,
      ];
    case 'invalid_value':
      return [`${field}: expected one of ${issue.values.map(show).join(', ')}, got ${got}`];
    case 'invalid_union':
      return [`${field}: expected ${formsOf(issue)}, got ${got}`];
    case 'custom':
      return [
        `${field}: ${issue.message}${typeof value === 'string' || typeof value === 'number' ? ` (got ${got})` : ''}`,
      ];
    default:
      return [`${field}: ${issue.message}, got ${got}`];
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

/** A discriminated union knows the words that tell its forms apart. */
function formsOf(issue: object): string {
  const { options } = issue as { options?: readonly unknown[] };
  return options?.length ? `one of ${options.map(show).join(', ')}` : 'one of the documented forms';
}

/** Errors go to logs: what may be a secret is not quoted. The whole environment of an engine is one. */
function showAt(path: readonly PropertyKey[], value: unknown): string {
  const names = path.map(String);
  if (value !== undefined && (isSecret(names) || names.includes('env'))) return masked;
  return show(Array.isArray(value) ? maskArguments(value) : value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
