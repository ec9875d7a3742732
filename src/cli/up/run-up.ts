// `infernode up`: a parent that writes configurations and starts `infernode agent` and `infernode coordinator` like any
// operator would; it holds no second composition (design decision 15).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress, parseListenAddress, type ListenAddress } from '../../config/listen-address.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { sleep, systemClock } from '../../runtime/clock.js';
import { ClusterServiceClient } from '../../rpc/cluster-service-client.js';
import { NodeServiceClient } from '../../rpc/node-service-client.js';
import { bindError } from '../doctor/network-checks.js';
import { renderStatus } from '../status-table.js';
import { MemberProcess, type Listening } from './member-process.js';
import { defaultModel, planNodes, writeConfig, type PlannedNode, type UpOptions } from './plan-cluster.js';
import { endLeftEngines } from './end-left-engines.js';
import {
  claimUpDirectory,
  clearUpDirectory,
  releaseUpDirectory,
  writeUpState,
  type UpReady,
} from './up-state.js';

export interface RunUpOptions extends UpOptions {
  json: boolean;
  stateDir?: string;
}

/** Weights of a real model may take minutes; a simulated engine takes seconds. */
const enginesReadyTimeoutMs = 30 * 60_000;
/** An engine that failed is started again by its agent; after this many times waiting longer is pointless. */
const maxEngineRestarts = 3;
const pollMs = 200;
const tableIntervalMs = 1000;

export async function runUp(options: RunUpOptions): Promise<void> {
  const gateway = parseListenAddress(options.gateway);
  if (!gateway)
    throw new InfernodeError(
      'argument-invalid',
      `--gateway ${options.gateway}: expected HOST:PORT, such as 127.0.0.1:8080`,
    );
  if (options.engines > options.gpus)
    throw new InfernodeError(
      'argument-invalid',
      `--engines ${options.engines}: expected at most one engine per GPU, got --gpus ${options.gpus}`,
    );
  await requireFreePort(gateway);
  const directory = claimUpDirectory(options.stateDir);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
  const cluster = new Cluster(directory, options);
  try {
    await endLeftEngines(directory, systemClock);
    clearUpDirectory(directory);
    const ready = await cluster.start(stop.signal);
    if (ready) {
      writeUpState(directory, ready);
      announce(ready, options, directory);
      await watch(ready, options, stop.signal);
    }
  } finally {
    if (!options.json) process.stderr.write('infernode: stopping; streams in flight may finish first\n');
    await cluster.stop();
    releaseUpDirectory(directory);
  }
}

/** Told before anything is started: a taken port is the likeliest reason for `up` to fail. */
async function requireFreePort(gateway: ListenAddress): Promise<void> {
  const error = await bindError(gateway);
  if (error === null) return;
  throw new InfernodeError(
    'argument-invalid',
    `--gateway ${formatAddress(gateway)} cannot be bound: ${error.message}; stop what holds it (\`ss -ltnp\` tells), or give another, such as --gateway 127.0.0.1:0 (with npm: \`npm start -- --gateway 127.0.0.1:0\`)`,
  );
}

class Cluster {
  readonly #agents: { planned: PlannedNode; member: MemberProcess; listening: Listening }[] = [];
  #coordinator: MemberProcess | null = null;

  constructor(
    private readonly directory: string,
    private readonly options: UpOptions & { json: boolean },
  ) {}

  /** Starts agents, then the coordinator, then waits for the engines; `null` when stopped meanwhile. */
  async start(signal: AbortSignal): Promise<UpReady | null> {
    mkdirSync(join(this.directory, 'logs'), { recursive: true, mode: 0o700 });
    const nodes = planNodes(this.directory, this.options);
    this.#say(
      `starting ${nodes.length} node${nodes.length === 1 ? '' : 's'} (${nodes[0]?.scenarioFile ? `simulated, ${this.options.gpus} x ${this.options.profile} each` : 'real GPUs'})`,
    );
    await Promise.all(nodes.map((planned) => this.#startAgent(planned)));
    this.#agents.sort((a, b) => a.planned.name.localeCompare(b.planned.name));
    const coordinator = await this.#startCoordinator();
    const engines = await this.#enginesReady(signal);
    if (!engines) return null;
    return {
      ready: true,
      gateway: `http://${coordinator.gateway}`,
      coordinator: { grpc: coordinator.control, metrics: `http://${coordinator.metrics}/metrics` },
      agents: this.#agents.map(({ planned, listening }) => ({
        node: planned.name,
        grpc: listening.control,
        metrics: `http://${listening.metrics}/metrics`,
        nvmlScenario: planned.scenarioFile,
      })),
      engines,
    };
  }

  async stop(): Promise<void> {
    await this.#coordinator?.stop();
    await Promise.all(this.#agents.map(({ member }) => member.stop()));
  }

  async #startAgent(planned: PlannedNode): Promise<void> {
    const member = this.#member(planned.name, ['agent', '--config', planned.configFile]);
    const entry = { planned, member, listening: {} as Listening };
    this.#agents.push(entry);
    entry.listening = await member.start();
    // A restarted agent must be found where it was: the ports that were free become its configuration.
    const { control, probe, metrics } = entry.listening;
    writeConfig(planned.configFile, { ...planned.config, listen: { control, probe, metrics } });
  }

  async #startCoordinator(): Promise<Listening> {
    const configFile = join(this.directory, 'coordinator.yaml');
    const simulated = (this.#agents[0]?.planned.scenarioFile ?? null) !== null;
    const model = this.options.model ?? (simulated ? defaultModel : undefined);
    const config = (listen: Partial<Listening>): Record<string, unknown> => ({
      listen: {
        gateway: this.options.gateway,
        control: '127.0.0.1:0',
        probe: '127.0.0.1:0',
        metrics: '127.0.0.1:0',
        ...listen,
      },
      agents: this.#agents.map(({ listening }) => ({ address: listening.control })),
      ...(model === undefined ? {} : { models: { [model]: { aliases: ['chat'] } } }),
    });
    writeConfig(configFile, config({}));
    this.#coordinator = this.#member('coordinator', ['coordinator', '--config', configFile]);
    const listening = await this.#coordinator.start();
    const { gateway, control, probe, metrics } = listening;
    writeConfig(configFile, config({ gateway, control, probe, metrics }));
    return listening;
  }

  /** Waits until every engine is ready at its agent and eligible at the coordinator. */
  async #enginesReady(signal: AbortSignal): Promise<UpReady['engines'] | null> {
    const clients = this.#agents.map(({ planned, listening }) => ({
      node: planned.name,
      client: new NodeServiceClient({ address: listening.control }),
    }));
    const deadline = performance.now() + enginesReadyTimeoutMs;
    let told = '';
    try {
      while (!signal.aborted) {
        const engines = (
          await Promise.all(
            clients.map(async ({ node, client }) =>
              (await client.listEngines()).map((engine) => ({ node, engine })),
            ),
          )
        ).flat();
        const ready = engines.filter(({ engine }) => engine.state === 'ready').length;
        const failed = engines.find(
          ({ engine }) => engine.state === 'failed' && engine.restarts >= maxEngineRestarts,
        );
        if (failed)
          throw new InfernodeError(
            'internal',
            `engine ${failed.node}/${failed.engine.id} failed: ${failed.engine.reason}`,
          );
        if (ready === engines.length)
          return engines.map(({ node, engine }) => ({
            id: engine.id,
            node,
            url: engine.url,
            devices: engine.deviceUuids,
          }));
        if (performance.now() > deadline)
          throw new InfernodeError(
            'internal',
            `only ${ready} of ${engines.length} engines were ready in time; see ${this.directory}/nodes`,
          );
        const news = `engines ready: ${ready}/${engines.length}`;
        if (news !== told) this.#say((told = news));
        await sleep(systemClock, pollMs, signal);
      }
      return null;
    } finally {
      for (const { client } of clients) client.close();
    }
  }

  #member(name: string, args: string[]): MemberProcess {
    return new MemberProcess(name, args, join(this.directory, 'logs', `${name}.log`), (line) =>
      this.#say(line),
    );
  }

  #say(line: string): void {
    if (!this.options.json) process.stderr.write(`infernode: ${line}\n`);
  }
}

function announce(ready: UpReady, options: RunUpOptions, directory: string): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    return;
  }
  const lines = [
    '',
    `gateway      ${ready.gateway}/v1`,
    `coordinator  grpc ${ready.coordinator.grpc}   ${ready.coordinator.metrics}`,
    ...ready.agents.map((agent) => `${agent.node.padEnd(12)} grpc ${agent.grpc}   ${agent.metrics}`),
    `logs         ${directory}/logs`,
    '',
    ...(ready.engines.length === 0
      ? ['No engine runs: give --model NAME and have `vllm` on the PATH to serve it.']
      : [
          'Try it, in another terminal:',
          `  curl ${ready.gateway}/v1/chat/completions -H 'content-type: application/json' \\`,
          `    -d '{"model":"chat","messages":[{"role":"user","content":"Hello"}],"max_tokens":32}'`,
        ]),
    ...(ready.agents[0]?.nvmlScenario
      ? ['  npx infernode sim gpu xid 79 --gpu 0   # `npx infernode sim gpu reset` mends it']
      : []),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Shows the live table on a terminal, one plain line per change elsewhere, until the signal. */
async function watch(ready: UpReady, options: RunUpOptions, signal: AbortSignal): Promise<void> {
  const forever = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  // A promise alone does not keep the process alive; the members' pipes do, as long as one member runs.
  const alive = setInterval(() => undefined, 60_000);
  const client = new ClusterServiceClient({ address: ready.coordinator.grpc });
  try {
    if (options.json) return await forever;
    await showTable(client, signal);
  } finally {
    clearInterval(alive);
    client.close();
  }
}

async function showTable(client: ClusterServiceClient, signal: AbortSignal): Promise<void> {
  const live = process.stdout.isTTY;
  let shown = '';
  while (!signal.aborted) {
    const table = await client
      .getCluster()
      .then(renderStatus, (error: unknown) => `coordinator: ${String(error)}`);
    const text = live ? cutLines(table, process.stdout.columns) : table;
    if (live) {
      // Back up over the last table and clear to the end of the screen: the announcement above stays.
      const up = shown === '' ? '' : `\x1b[${shown.split('\n').length}A\x1b[0J`;
      process.stdout.write(`${up}${text}\n`);
    } else if (text !== shown) process.stdout.write(`${text}\n`);
    shown = text;
    await sleep(systemClock, tableIntervalMs, signal);
  }
}

/** A line that wraps would make the table taller than it counts, and leave its head behind at the next draw. */
function cutLines(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => line.slice(0, Math.max(1, columns - 1)))
    .join('\n');
}
