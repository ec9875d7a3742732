import type { FamilySeries, MetricStore, Series } from './metric-store.js';

/**
 * A number as Python's prometheus_client prints it: `1.0`, `0.25`, `1e+06` from one million upwards, and for exponents
 * of two digits the well-known `e+010`.
 */
export function pythonNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  if (Number.isNaN(value)) return 'NaN';
  const text = Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
  const dot = text.indexOf('.');
  if (value <= 0 || dot <= 6 || text.includes('e')) return text;
  const digits = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/[0.]+$/, '');
  return `${digits}e+0${dot - 1}`;
}

/** The text of all families; `common` labels go on every series and all labels are in alphabetical order. */
export function printFamilies(store: MetricStore, common: Readonly<Record<string, string>>): string {
  const lines: string[] = [];
  const unnamed = Object.fromEntries(Object.entries(common).filter(([name]) => name !== 'model_name'));
  for (const family of store.families.values())
    printFamily(lines, family, family.family.noModelName ? unnamed : common);
  return lines.join('\n') + (lines.length > 0 ? '\n' : '');
}

function printFamily(
  lines: string[],
  { family, bounds, series }: FamilySeries,
  common: Readonly<Record<string, string>>,
): void {
  if (series.size === 0) return;
  const counter = family.type === 'counter';
  const base = counter ? family.name.replace(/_total$/, '') : family.name;
  const name = counter ? `${base}_total` : base;
  lines.push(`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`);
  for (const one of series.values()) {
    if (one.buckets) printHistogram(lines, name, one, bounds, common);
    else lines.push(`${name}${labelText({ ...common, ...one.labels })} ${pythonNumber(one.value)}`);
  }
  if (family.type === 'gauge') return;
  lines.push(`# HELP ${base}_created ${family.help}`, `# TYPE ${base}_created gauge`);
  for (const one of series.values())
    lines.push(
      `${base}_created${labelText({ ...common, ...one.labels })} ${pythonNumber(one.createdSeconds)}`,
    );
}

function printHistogram(
  lines: string[],
  name: string,
  series: Series,
  bounds: readonly number[],
  common: Readonly<Record<string, string>>,
): void {
  const labels = { ...common, ...series.labels };
  let sum = 0;
  for (let i = 0; i <= bounds.length; i++) {
    sum += series.buckets?.[i] ?? 0;
    const le = pythonNumber(bounds[i] ?? Infinity);
    lines.push(`${name}_bucket${labelText({ ...labels, le })} ${pythonNumber(sum)}`);
  }
  lines.push(`${name}_count${labelText(labels)} ${pythonNumber(series.count)}`);
  lines.push(`${name}_sum${labelText(labels)} ${pythonNumber(series.value)}`);
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels).sort();
  if (names.length === 0) return '';
  return `{${names.map((name) => `${name}="${escapeLabel(labels[name] ?? '')}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}
