import { readdirSync, readFileSync } from 'node:fs';
import { labelText, pythonNumber } from './metrics-page.js';

const fineBounds = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
];
const coarseBounds = [0.1, 0.5, 1];
/** These paths are not counted, as in vLLM. */
const uncounted = new Set(['/metrics', '/health', '/load', '/ping', '/version', '/server_info']);

interface Histogram {
  buckets: number[];
  sum: number;
  count: number;
  created: number;
}

const emptyHistogram = (bounds: readonly number[]): Histogram => ({
  buckets: new Array<number>(bounds.length + 1).fill(0),
  sum: 0,
  count: 0,
  created: Date.now() / 1000,
});

/** The `http_*` families that the server's instrumentation adds, and a few of `process_*` and `python_*`. */
export class HttpMetrics {
  readonly #requests = new Map<string, { labels: Record<string, string>; value: number; created: number }>();
  readonly #sizes = new Map<string, { count: number; request: number; response: number; created: number }>();
  readonly #fine = emptyHistogram(fineBounds);
  readonly #coarse = new Map<string, { labels: Record<string, string>; histogram: Histogram }>();

  /** @param handler route template; `none` for unknown paths @param seconds until the end of the answer */
  observe(handler: string, method: string, status: number, seconds: number, requestBytes: number): void {
    if (uncounted.has(handler)) return;
    const labels = { handler, method, status: `${Math.floor(status / 100)}xx` };
    const created = Date.now() / 1000;
    entry(this.#requests, Object.values(labels).join(' '), () => ({ labels, value: 0, created })).value += 1;
    const size = entry(this.#sizes, handler, () => ({ count: 0, request: 0, response: 0, created }));
    size.count += 1;
    size.request += requestBytes;
    record(this.#fine, fineBounds, seconds);
    const key = `${handler} ${method}`;
    record(
      entry(this.#coarse, key, () => ({
        labels: { handler, method },
        histogram: emptyHistogram(coarseBounds),
      })).histogram,
      coarseBounds,
      seconds,
    );
  }

  print(): string {
    const lines: string[] = [];
    const requests = [...this.#requests.values()];
    head(lines, 'http_requests_total', 'counter', 'Requests by route, method and status class.');
    for (const { labels, value } of requests) line(lines, 'http_requests_total', labels, value);
    head(lines, 'http_requests_created', 'gauge', 'Requests by route, method and status class.');
    for (const { labels, created } of requests) line(lines, 'http_requests_created', labels, created);
    this.#printSizes(lines, 'http_request_size_bytes', 'Request sizes by route.', 'request');
    this.#printSizes(lines, 'http_response_size_bytes', 'Response sizes by route.', 'response');
    const fine = 'http_request_duration_highr_seconds';
    head(lines, fine, 'histogram', 'Latency of all requests, fine buckets.');
    histogram(lines, fine, {}, this.#fine, fineBounds);
    head(lines, `${fine}_created`, 'gauge', 'Latency of all requests, fine buckets.');
    line(lines, `${fine}_created`, {}, this.#fine.created);
    const coarse = 'http_request_duration_seconds';
    head(lines, coarse, 'histogram', 'Latency by route, coarse buckets.');
    for (const one of this.#coarse.values())
      histogram(lines, coarse, one.labels, one.histogram, coarseBounds);
    head(lines, `${coarse}_created`, 'gauge', 'Latency by route, coarse buckets.');
    for (const one of this.#coarse.values())
      line(lines, `${coarse}_created`, one.labels, one.histogram.created);
    return lines.join('\n') + '\n';
  }

  #printSizes(lines: string[], name: string, help: string, part: 'request' | 'response'): void {
    head(lines, name, 'summary', help);
    for (const [handler, size] of this.#sizes) {
      line(lines, `${name}_count`, { handler }, size.count);
      line(lines, `${name}_sum`, { handler }, size[part]);
    }
    head(lines, `${name}_created`, 'gauge', help);
    for (const [handler, { created }] of this.#sizes) line(lines, `${name}_created`, { handler }, created);
  }
}

/** `python_*` and `process_*`, of this process where they mean something here. */
export function printProcessMetrics(): string {
  const lines: string[] = [];
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  head(lines, 'python_info', 'gauge', 'Interpreter build.');
  line(
    lines,
    'python_info',
    { implementation: 'CPython', major: '3', minor: '12', patchlevel: '11', version: '3.12.11' },
    1,
  );
  const values: [string, string, string, number][] = [
    ['process_virtual_memory_bytes', 'gauge', 'Virtual memory of the API server process.', virtualBytes()],
    ['process_resident_memory_bytes', 'gauge', 'Resident memory of the API server process.', memory.rss],
    ['process_start_time_seconds', 'gauge', 'Unix time of the process start.', startSeconds],
    ['process_cpu_seconds_total', 'counter', 'CPU seconds used.', (cpu.user + cpu.system) / 1e6],
    ['process_open_fds', 'gauge', 'Open file descriptors.', openDescriptors()],
  ];
  for (const [name, type, help, value] of values) {
    head(lines, name, type, help);
    line(lines, name, {}, value);
  }
  return lines.join('\n') + '\n';
}

const startSeconds = Date.now() / 1000 - process.uptime();

function virtualBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * 4096;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function record(into: Histogram, bounds: readonly number[], value: number): void {
  const bucket = bounds.findIndex((bound) => value <= bound);
  into.buckets[bucket < 0 ? bounds.length : bucket]! += 1;
  into.sum += value;
  into.count += 1;
}

function head(lines: string[], name: string, type: string, help: string): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
}

function line(lines: string[], name: string, labels: Record<string, string>, value: number): void {
  lines.push(`${name}${labelText(labels)} ${pythonNumber(value)}`);
}

function histogram(
  lines: string[],
  name: string,
  labels: Record<string, string>,
  { buckets, sum, count }: Histogram,
  bounds: readonly number[],
): void {
  let total = 0;
  buckets.forEach((amount, i) => {
    total += amount;
    line(lines, `${name}_bucket`, { ...labels, le: pythonNumber(bounds[i] ?? Infinity) }, total);
  });
  line(lines, `${name}_count`, labels, count);
  line(lines, `${name}_sum`, labels, sum);
}
