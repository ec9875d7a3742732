import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { RecordedLine } from '../cluster/record-placements.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { replayPlacementLog } from '../placement/placement-log.js';
import type { Explanation__Output } from '../rpc/generated/infernode/placement/v1/Explanation.js';
import { PlacementServiceClient } from '../rpc/placement-service-client.js';
import { addCoordinatorOptions, coordinatorOf, type CoordinatorOptions } from './call-listener.js';
import { align } from './status-table.js';

interface ExplainOptions extends CoordinatorOptions {
  model: string;
  prompt?: string;
  request?: string;
  path?: string;
  session?: string;
  json?: boolean;
}

export function addPlacementCommand(program: Command): void {
  const placement = program.command('placement').description('who would get a request, and why');
  addReplayCommand(placement);
  addCoordinatorOptions(placement.command('explain'))
    .description(
      'the decision that a request would meet now: home, candidates, costs, bound; changes nothing',
    )
    .requiredOption('--model <name>', 'model, alias or adapter')
    .option('--prompt <text>', 'one user message')
    .option('--request <file>', 'JSON body of a request, as a client sends it')
    .option('--path <path>', 'which API the body is of (default: /v1/chat/completions)')
    .option('--session <key>', 'session, as in the header x-session-id')
    .option('--json', 'the whole answer as one JSON object')
    .action(async (options: ExplainOptions) => {
      const client = new PlacementServiceClient(coordinatorOf(options));
      try {
        const answer = await client.explain({
          model: options.model,
          requestJson: requestOf(options),
          path: options.path ?? '',
          session: options.session ?? '',
        });
        process.stdout.write(`${options.json ? JSON.stringify(answer) : renderExplanation(answer)}\n`);
      } finally {
        client.close();
      }
    });
}

function addReplayCommand(placement: Command): void {
  placement
    .command('replay')
    .description(
      'make the decisions of a placement log (coordinator: placement.log.file) once more and compare',
    )
    .argument('<file>', 'log that a coordinator wrote')
    .action((file: string) => {
      let decisions = 0;
      const different: string[] = [];
      for (const [model, entries] of readPlacementLog(file)) {
        const result = replayPlacementLog(entries);
        decisions += result.decisions;
        for (const { id, was, is } of result.different)
          different.push(`${model}  ${id}: was ${was}, is ${is}`);
      }
      const shown = different.slice(0, 20).map((line) => `  ${line}\n`);
      process.stdout.write(`${decisions} decisions, ${different.length} different\n${shown.join('')}`);
      if (different.length > 0) process.exitCode = 1;
    });
}

/** By model; the last line may be cut where the process was killed. */
function readPlacementLog(file: string): Map<string, RecordedLine[]> {
  const byModel = new Map<string, RecordedLine[]>();
  const lines = readText(file, '<file>').split('\n').filter(Boolean);
  for (const [index, line] of lines.entries()) {
    let entry: RecordedLine;
    try {
      entry = JSON.parse(line) as RecordedLine;
    } catch (error) {
      if (index === lines.length - 1) break;
      throw new InfernodeError(
        'argument-invalid',
        `expected line ${index + 1} of ${file} to be an entry of a placement log: ${messageOf(error)}`,
      );
    }
    const entries = byModel.get(entry.model) ?? [];
    byModel.set(entry.model, entries);
    entries.push(entry);
  }
  return byModel;
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InfernodeError(
      'argument-invalid',
      `expected ${what} ${file} to be a readable file: ${messageOf(error)}`,
    );
  }
}

function requestOf({ model, prompt, request }: ExplainOptions): string {
  if ((prompt === undefined) === (request === undefined))
    throw new InfernodeError('argument-invalid', 'expected either --prompt or --request');
  if (request === undefined) return JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] });
  return readText(request, '--request');
}

/** Costs and bounds are in tokens. */
export function renderExplanation(answer: Explanation__Output): string {
  const { endpoint, outcome, home, reason, strategy, keyIndex, tokens, blocks, candidates, refused } = answer;
  const key = keyIndex === undefined ? 'no key: placed by load' : `key is block ${keyIndex}`;
  const header = ['endpoint', 'step', 'blocks held', 'uncached', 'work', 'bound', 'cost', ''];
  const rows = candidates.map((c) => [
    c.endpoint,
    String(c.rank),
    String(c.depth),
    Math.round(c.uncachedTokens).toString(),
    Math.round(c.work).toString(),
    Math.round(c.bound).toString(),
    Math.round(c.cost).toString(),
    [
      c.endpoint === endpoint ? 'chosen' : '',
      c.admitted ? '' : 'over its bound',
      c.holdsOwn ? 'holds the prompt' : '',
      c.sharedView ? '' : 'local view',
    ]
      .filter(Boolean)
      .join(', '),
  ]);
  return [
    `${outcome}${endpoint ? ` -> ${endpoint}` : ''}: ${reason}`,
    `${strategy}, ${tokens} tokens in ${blocks} blocks, ${key}, home ${home || '-'}`,
    ...(rows.length > 0 ? ['', ...align([header, ...rows])] : []),
    ...(refused.length > 0
      ? ['', 'not considered:', ...refused.map((r) => `  ${r.refusal}: ${r.reason}`)]
      : []),
  ].join('\n');
}
