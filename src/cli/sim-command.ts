import { dirname } from 'node:path';
import type { Command } from 'commander';
import { InfernodeError } from '../domain/error-codes.js';
import { addSimGpuCommands, type SimGpuTarget } from './sim-gpu.js';
import { findRunningUp } from './up/up-state.js';

/** The simulated node that a `sim` command acts on: `--scenario`, else a node of the running `infernode up`. */
export function resolveSimulatedNode({ scenario, node, stateDir }: SimGpuTarget): string {
  if (scenario !== undefined) return dirname(scenario);
  const up = findRunningUp(stateDir);
  if (!up)
    throw new InfernodeError(
      'argument-invalid',
      stateDir === undefined
        ? 'no running `infernode up` found; start one, or give --scenario PATH'
        : `expected --state-dir to be that of a running \`infernode up\`, got "${stateDir}"`,
    );
  const simulated = up.agents.filter((agent) => agent.nvmlScenario !== null);
  const chosen = node === undefined ? simulated[0] : simulated.find((agent) => agent.node === node);
  if (!chosen?.nvmlScenario)
    throw new InfernodeError(
      'argument-invalid',
      `expected --node to be one of ${simulated.map((a) => a.node).join(', ') || '(none is simulated)'}, got "${node ?? ''}"`,
    );
  return dirname(chosen.nvmlScenario);
}

export function addSimCommand(program: Command): void {
  const sim = program
    .command('sim')
    .description('rehearse faults: edit simulated GPUs, run a simulated vLLM server');
  addSimGpuCommands(sim, resolveSimulatedNode);
  sim
    .command('engine')
    .description(
      'a simulated vLLM server: `infernode sim engine serve MODEL [vLLM flags]` (see `serve --help=all`)',
    )
    .allowUnknownOption();
}
