/** `node bench/placement/run-times.mjs [--trace FILE]`: the times alone, in a few seconds. Needs `npm run build` first. */
import { parseArgs } from 'node:util';
import { loadTrace } from '../trace/read-trace.mjs';
import { measureTimes, timesRows } from './measure-times.mjs';
import { table } from './table.mjs';

const { values: flags } = parseArgs({ options: { trace: { type: 'string' } } });
const { source, requests } = loadTrace({ path: flags.trace });
const rows = timesRows(measureTimes(requests));
process.stdout.write(`Workload: ${source}.\n\n${table(['time, us', 'p50', 'p99'], rows)}\n`);
