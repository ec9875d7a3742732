// The table, as text and JSON. A run of some parts replaces their rows in the file and leaves the others as they were measured.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** `parts`: by name, each with the conditions under which it was measured and its rows. */
export function mergeParts(jsonFile, parts) {
  const known =
    jsonFile && existsSync(jsonFile) ? (JSON.parse(readFileSync(jsonFile, 'utf8')).parts ?? {}) : {};
  return { ...known, ...parts };
}

export function tableOf(title, parts) {
  const rows = Object.values(parts).flatMap((part) => part.rows);
  const lines = rows.map(({ what, value, unit, budget }) => {
    const limit = budget === null ? '' : `${budget} ${unit}${value <= budget ? '' : ' (missed)'}`;
    return `| ${what} | ${value} ${unit} | ${limit} |`;
  });
  const measured = Object.entries(parts).map(([name, { conditions }]) => `- ${name}: ${conditions}`);
  return [
    ...[`# ${title}`, '', '| what | value | budget |', '| --- | --- | --- |', ...lines, ''],
    ...['Measured on', '', ...measured, ''],
  ].join('\n');
}

export function writeResults({ json, markdown }, title, parts) {
  if (json) writeFileSync(json, `${JSON.stringify({ title, parts }, null, 2)}\n`);
  if (markdown) writeFileSync(markdown, tableOf(title, parts));
}
