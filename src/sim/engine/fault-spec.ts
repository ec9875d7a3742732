import { UsageError } from './parse-flags.js';

/** One fault as asked for: a name and parameters. */
export interface FaultSpec {
  fault: string;
  parameters: Readonly<Record<string, unknown>>;
}

/** `hang`, `hang,slow`, `{"fault":"die","afterMs":500}` or a JSON list of such objects. Throws UsageError. */
export function parseFaults(text: string): FaultSpec[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (!/^[[{]/.test(trimmed))
    return trimmed.split(',').map((name) => ({ fault: name.trim(), parameters: {} }));
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    throw new UsageError(`expected INFERNODE_SIM_FAULT to be names or JSON, got "${trimmed}"`);
  }
  return (Array.isArray(value) ? value : [value]).map(toFault);
}

export function toFault(value: unknown): FaultSpec {
  const fault = (value as { fault?: unknown } | null)?.fault;
  if (typeof fault !== 'string')
    throw new UsageError('expected a fault to be an object with a string `fault`');
  const parameters = { ...(value as Record<string, unknown>) };
  delete parameters['fault'];
  return { fault, parameters };
}

/** A number among the parameters, or the fallback. */
export function parameter(spec: FaultSpec, name: string, fallback: number): number {
  const value = spec.parameters[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

export function word(spec: FaultSpec, name: string, fallback: string): string {
  const value = spec.parameters[name];
  return typeof value === 'string' ? value : fallback;
}
