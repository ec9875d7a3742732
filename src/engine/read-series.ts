/** Single series out of a Prometheus text page, without parsing the rest: a page has 500 lines and is read every second. */

/** Calls back with the label text (without braces) and the value of every series of this exact name. */
export function eachSeries(page: string, name: string, found: (labels: string, value: number) => void): void {
  for (let at = 0; (at = page.indexOf(name, at)) >= 0;) {
    const next = at + name.length;
    const lineStart = at === 0 || page[at - 1] === '\n';
    const end = page.indexOf('\n', next);
    if (lineStart && (page[next] === '{' || page[next] === ' '))
      readLine(page.slice(next, end < 0 ? undefined : end), found);
    at = next;
  }
}

function readLine(rest: string, found: (labels: string, value: number) => void): void {
  // A label value may hold a brace, a value cannot.
  const close = rest.startsWith('{') ? rest.lastIndexOf('}') : -1;
  const value = Number.parseFloat(rest.slice(close + 1).trim());
  found(close > 0 ? rest.slice(1, close) : '', value);
}

/** Value of one label, or `null`; escapes are left as they are. */
export function labelOf(labels: string, name: string): string | null {
  const match = new RegExp(`(?:^|,)${name}="((?:[^"\\\\]|\\\\.)*)"`).exec(labels);
  return match?.[1] ?? null;
}

/** Finite values of every series of this exact name. */
export function valuesOfSeries(page: string, name: string): number[] {
  const values: number[] = [];
  eachSeries(page, name, (_labels, value) => {
    if (Number.isFinite(value)) values.push(value);
  });
  return values;
}
