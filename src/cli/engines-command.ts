import type { Command } from 'commander';
import type { EngineStatus } from '../domain/engine.js';
import { InfernodeError } from '../domain/error-codes.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addAgentOptions, agentOf, type AgentOptions } from './call-listener.js';
import { renderDeaths, renderEngine, renderEngines } from './engines-table.js';

interface EnginesOptions extends AgentOptions {
  json?: boolean;
}

/** `infernode engines ...`: what NodeService can do with the engines of one node. */
export function addEnginesCommand(program: Command): void {
  const engines = program
    .command('engines')
    .description(
      'list, start, stop, drain, restart, sleep and wake the engines of a node; read their logs and deaths',
    )
    .addHelpText(
      'after',
      `
Examples:
  infernode engines                              every engine of the node, and why it is in its state
  infernode engines why chat-0                   what it died of, newest first
  infernode engines logs -f chat-0               its log, and what comes
  infernode engines restart chat-0 --deadline 0  without waiting for running requests
  infernode engines start chat-9 --template chat a new one, from a template of that node`,
    );
  withAgent(engines.command('list', { isDefault: true }).description('every engine of the node')).action(
    (options: EnginesOptions) =>
      withClient(options, async (client) => {
        const list = await client.listEngines();
        print(options.json ? JSON.stringify(list) : renderEngines(list));
      }),
  );
  addChange(engines, 'start', 'start a stopped engine, or with --template a new one')
    .option('--template <name>', 'a template of that node')
    .option('--device <device...>', 'UUIDs or indices (default: its own, else free ones)')
    .action((engineId: string, options: EnginesOptions & { template?: string; device?: string[] }) =>
      change(options, (client) =>
        client.startEngine({ engineId, template: options.template ?? '', devices: options.device ?? [] }),
      ),
    );
  addChange(
    engines,
    'stop',
    'end it now: SIGTERM, after its grace SIGKILL, and proof that it is gone',
  ).action((engineId: string, options: EnginesOptions) =>
    change(options, (client) => client.stopEngine({ engineId })),
  );
  addDeadline(
    addChange(engines, 'drain', 'no new work; stop when what runs is done or the deadline has come'),
  ).action((engineId: string, options: EnginesOptions & { deadline?: string }) =>
    change(options, (client) => client.drainEngine({ engineId, deadlineMs: deadlineOf(options) })),
  );
  addDeadline(
    addChange(engines, 'restart', 'drain, stop, and start again; earlier failures are forgiven'),
  ).action((engineId: string, options: EnginesOptions & { deadline?: string }) =>
    change(options, (client) => client.restartEngine({ engineId, deadlineMs: deadlineOf(options) })),
  );
  addChange(engines, 'sleep', 'drain, then give its GPU memory back (template with `sleep`)')
    .option('--level <n>', '1: weights to host memory, 2: weights dropped (default: the template’s)')
    .action((engineId: string, options: EnginesOptions & { level?: string }) =>
      change(options, (client) =>
        client.sleepEngine({ engineId, level: integer('--level', options.level, 1, 2) }),
      ),
    );
  addChange(engines, 'wake', 'wake it; it takes work after a check and a first token').action(
    (engineId: string, options: EnginesOptions) =>
      change(options, (client) => client.wakeEngine({ engineId })),
  );
  addLogs(engines);
  addWhy(engines);
}

function addLogs(engines: Command): void {
  withAgent(engines.command('logs <engine>').description('the end of its log'))
    .option('-f, --follow', 'go on with what is written, until Ctrl-C or its next start')
    .option('--bytes <n>', 'how much of the end, at most 1048576', '65536')
    .option('--run <n>', 'an earlier run, by its incarnation; the logs of three are kept')
    .action(
      (engineId: string, options: EnginesOptions & { follow?: boolean; bytes?: string; run?: string }) =>
        withClient(options, async (client) => {
          const stop = new AbortController();
          process.once('SIGINT', () => stop.abort());
          const call = {
            engineId,
            follow: options.follow ?? false,
            tailBytes: integer('--bytes', options.bytes, 1, 1_048_576),
            incarnation: integer('--run', options.run, 1, 2 ** 31 - 1),
          };
          const write = (text: string): void =>
            void process.stdout.write(options.json ? `${JSON.stringify({ text })}\n` : text);
          await client.tailEngineLog(call, write, stop.signal);
        }),
    );
}

function addWhy(engines: Command): void {
  withAgent(engines.command('why <engine>').description('why it is in its state, and what it died of before'))
    .option('--limit <n>', 'deaths, newest first, at most 100', '10')
    .action((engineId: string, options: EnginesOptions & { limit?: string }) =>
      withClient(options, async (client) => {
        const limit = integer('--limit', options.limit, 1, 100);
        const deaths = await client.explainEngine({ engineId, limit });
        const engine = (await client.listEngines()).find(({ id }) => id === engineId) ?? null;
        print(options.json ? JSON.stringify({ engine, deaths }) : renderDeaths(engine, deaths));
      }),
    );
}

function addChange(engines: Command, name: string, description: string): Command {
  return withAgent(engines.command(`${name} <engine>`).description(description));
}

function addDeadline(command: Command): Command {
  return command.option(
    '--deadline <seconds>',
    'how long running requests are waited for (default: the template’s)',
  );
}

function withAgent(command: Command): Command {
  return addAgentOptions(command).option('--json', 'one JSON document');
}

/** On the wire 0 is "the template's", so that "at once" is the shortest time there is. */
function deadlineOf({ deadline }: { deadline?: string }): number {
  if (deadline === undefined) return 0;
  return Math.max(1, integer('--deadline', deadline, 0, 86_400) * 1000);
}

/** 0 when absent. */
function integer(option: string, text: string | undefined, least: number, most: number): number {
  if (text === undefined) return 0;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new InfernodeError(
      'argument-invalid',
      `expected ${option} to be a whole number from ${least} to ${most}, got "${text}"`,
    );
  return value;
}

async function change(
  options: EnginesOptions,
  invoke: (client: NodeServiceClient) => Promise<EngineStatus>,
): Promise<void> {
  await withClient(options, async (client) => {
    const engine = await invoke(client);
    print(options.json ? JSON.stringify(engine) : renderEngine(engine));
  });
}

async function withClient(
  options: EnginesOptions,
  work: (client: NodeServiceClient) => Promise<void>,
): Promise<void> {
  const client = new NodeServiceClient(agentOf(options));
  try {
    await work(client);
  } finally {
    client.close();
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
