import type { Command } from 'commander';
import type { DeviceExplanation, HistoryEntry } from '../domain/history.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addAgentOptions, agentOf, type AgentOptions } from './call-listener.js';
import { formatEntry } from './events-command.js';

interface ExplainOptions extends AgentOptions {
  json?: boolean;
}

const shownEntries = 20;

/** `infernode explain GPU`: why a device is as it is, with the evidence, and what ends it. */
export function addExplainCommand(program: Command): void {
  addAgentOptions(program.command('explain <gpu>'))
    .description(
      'why a GPU (index or UUID) is as it is: findings with their evidence, what happened, what is done',
    )
    .option('--json', 'the answer as one JSON object')
    .addHelpText(
      'after',
      `
Each finding says what decided (the driver's own recovery action, a table, a reading), the raw lines behind it, and what makes it go.

Examples:
  infernode explain 0
  infernode explain GPU-8592a3b5-... --agent gpu-a:9470 --json`,
    )
    .action(async (gpu: string, options: ExplainOptions) => {
      const client = new NodeServiceClient(agentOf(options));
      try {
        const explanation = await client.explainDevice(gpu);
        process.stdout.write(
          `${options.json ? JSON.stringify(explanation) : renderExplanation(explanation)}\n`,
        );
      } finally {
        client.close();
      }
    });
}

export function renderExplanation(explanation: DeviceExplanation): string {
  const { device, conditions, history, engines, plan, pods } = explanation;
  const { identity, health, healthSinceMs, reason, action, cordons } = device;
  const { unsupportedChecks = [], instances = [] } = device;
  const serial = identity.serial === null ? '' : `, serial ${identity.serial}`;
  const lines = [
    `GPU ${identity.index}  ${identity.name}  (${identity.uuid}${serial}, PCI ${identity.pciBusId})`,
    `  ${health} since ${new Date(healthSinceMs).toISOString()}${reason ? `: ${reason}` : ''}`,
    ...instances.map(
      ({ uuid, gpuInstance, computeInstance, health: state, reason: why }) =>
        `  MIG ${gpuInstance}/${computeInstance} ${uuid}: ${state}${why ? `, ${why}` : ''}`,
    ),
    ...cordons.map(({ holder, reason: why }) => `  cordoned by ${holder}: ${why}`),
    ...engines.map(({ id, state, reason: why }) => `  engine ${id}: ${state}${why ? `, ${why}` : ''}`),
    ...pods.map((pod) => `  given by Kubernetes to ${pod}`),
    `  action: ${action}; ${plan}`,
    ...(unsupportedChecks.length ? [`  checks unsupported here: ${unsupportedChecks.join(', ')}`] : []),
  ];
  for (const { condition, title, basis, evidence, clearsWhen, incident } of conditions)
    lines.push(
      '',
      `  ${condition.check}  ${condition.severity}${condition.drill ? '  DRILL' : ''}  ${condition.reason}`,
      `    what it is:  ${title}${condition.advice ? ` (advice: ${condition.advice})` : ''}`,
      `    decided by:  ${basis || 'not remembered'}`,
      ...evidence.map((line, i) => `    ${i === 0 ? 'evidence:  ' : '           '}  ${line}`),
      `    goes when:   ${clearsWhen}`,
      ...(incident ? [`    incident:    ${incident}`] : []),
    );
  return [...lines, ...past(history)].join('\n');
}

function past(history: readonly HistoryEntry[]): string[] {
  if (history.length === 0) return [];
  return [
    '',
    '  what happened:',
    ...history.slice(-shownEntries).map((entry) => `    ${formatEntry(entry)}`),
  ];
}
