import { InvalidArgumentError, type Command } from 'commander';
import { messageOf } from '../domain/error-codes.js';
import { ClusterServiceClient } from '../rpc/cluster-service-client.js';
import { addCoordinatorOptions, coordinatorOf, type CoordinatorOptions } from './call-listener.js';
import { countsOf, ratesBetween, type GatewayCounts } from './top/gateway-rates.js';
import { renderTop, type TopView } from './top/render-top.js';
import { runTopScreen } from './top/top-screen.js';
import { findRunningUp } from './up/up-state.js';

interface TopOptions extends CoordinatorOptions {
  metrics?: string;
  interval: number;
  count?: number;
}

const defaultMetrics = '127.0.0.1:9482';
const scrapeTimeoutMs = 2_000;

export function addTopCommand(program: Command): void {
  addCoordinatorOptions(program.command('top'))
    .description(
      'nodes, GPUs, engines, work in flight, first-token times and tokens per second, live; q quits',
    )
    .option(
      '--metrics <host:port>',
      `metrics address of the coordinator, for rates (default: the running \`infernode up\`, else ${defaultMetrics})`,
    )
    .option('--interval <seconds>', 'between two looks', seconds, 1)
    .option('--count <n>', 'end after so many', wholeNumber)
    .addHelpText(
      'after',
      `
Where the output is no terminal, each look is printed below the other.

Examples:
  infernode top
  infernode top --count 2 --interval 5  two looks, five seconds apart, for a file`,
    )
    .action(async (options: TopOptions) => {
      const client = new ClusterServiceClient(coordinatorOf(options));
      const metrics =
        options.metrics ??
        (options.coordinator === undefined
          ? findRunningUp(options.stateDir)?.coordinator.metrics
          : undefined) ??
        defaultMetrics;
      try {
        await runTopScreen({
          terminal: { input: process.stdin, output: process.stdout },
          frame: lookAt(client, metrics),
          intervalMs: options.interval * 1000,
          count: options.count ?? null,
        });
      } finally {
        client.close();
      }
    });
}

/** A picture each time it is called; a coordinator that does not answer leaves the last one, with the reason. */
function lookAt(client: ClusterServiceClient, metrics: string): () => Promise<string[]> {
  let before: GatewayCounts | null = null;
  const view: TopView = { atMs: 0, cluster: null, rates: null, problem: '' };
  return async () => {
    const [cluster, page] = await Promise.allSettled([client.getCluster(), readMetrics(metrics)]);
    const problems = [cluster, page].flatMap((one) =>
      one.status === 'rejected' ? [messageOf(one.reason)] : [],
    );
    view.atMs = Date.now();
    view.problem = problems.join('; ');
    if (cluster.status === 'fulfilled') view.cluster = cluster.value;
    const counts = page.status === 'fulfilled' ? countsOf(page.value, performance.now()) : null;
    view.rates = counts && ratesBetween(before, counts);
    before = counts;
    return renderTop(view);
  };
}

async function readMetrics(address: string): Promise<string> {
  const url = address.includes('://') ? address : `http://${address}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(scrapeTimeoutMs) });
    if (answer.ok) return await answer.text();
    throw new Error(`status ${answer.status}`);
  } catch (error) {
    throw new Error(`no rates: ${url} does not answer (${messageOf(error)}); --metrics names another`, {
      cause: error,
    });
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 0.1 && value <= 3600) return value;
  throw new InvalidArgumentError(`expected seconds from 0.1 to 3600, got "${text}"`);
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number from 1, got "${text}"`);
}
