import { InvalidArgumentError, type Command } from 'commander';
import type { HistoryEntry } from '../domain/history.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addAgentOptions, agentOf, type AgentOptions } from './call-listener.js';

interface EventsOptions extends AgentOptions {
  follow?: boolean;
  after: number;
  json?: boolean;
}

/** `infernode events`: what happened on a node, and with `--follow` what happens. */
export function addEventsCommand(program: Command): void {
  addAgentOptions(program.command('events'))
    .description('what happened on a node: faults, recoveries, what engines and operators did; oldest first')
    .option('-f, --follow', 'go on with what happens, until Ctrl-C')
    .option('--after <seq>', 'only entries after this number', sequenceNumber, 0)
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
A line: time, number, incident, source (nvml, kmsg, reading, agent, operator), kind and what was said. Codes that come within 3 s on one
device are one incident. DRILL marks what was injected.

Examples:
  infernode events --follow
  infernode events --json | jq 'select(.xid == 79)'`,
    )
    .action((options: EventsOptions) => printEvents(options));
}

function printEvents({ follow = false, after, json = false, ...target }: EventsOptions): Promise<void> {
  const client = new NodeServiceClient(agentOf(target));
  return new Promise<void>((resolve, reject) => {
    const watch = client.watchEvents(
      { afterSeq: after, follow },
      {
        onEntry: (entry) => process.stdout.write(`${json ? JSON.stringify(entry) : formatEntry(entry)}\n`),
        onEnd: (error) => (error ? reject(error) : resolve()),
      },
    );
    // A reader such as `head` that has seen enough.
    process.stdout.once('error', () => watch.cancel());
    process.once('SIGINT', () => watch.cancel());
  }).finally(() => client.close());
}

export function formatEntry(entry: HistoryEntry): string {
  const { seq, atMs, kind, source, severity, action, reason, evidence, incident, drill } = entry;
  const grave = severity === null || kind === 'cleared' ? '' : `${severity} `;
  const wish = action === 'none' || kind !== 'fault' ? '' : ` (wants ${action})`;
  const raw = evidence === '' || evidence === reason ? '' : `  | ${evidence}`;
  const said = `${grave}${kind === 'cleared' ? 'cleared: ' : ''}${reason}${wish}${raw}`;
  return `${new Date(atMs).toISOString()}  #${seq}  ${incident ?? '-'}  ${source}  ${kind}${drill ? '  DRILL' : ''}  ${said}`;
}

function sequenceNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected the number of an entry, got "${text}"`);
}
