import type { Command } from 'commander';
import type { z } from 'zod';
import { agentSchema } from '../config/agent-config.js';
import { coordinatorSchema } from '../config/coordinator-config.js';
import { unknownVariables } from '../config/unknown-variables.js';
import { addConfigOptions, type ConfigOptions } from './config-options.js';
import { loadOrDefaults } from './load-or-defaults.js';
import { checkCuda } from './doctor/cuda-check.js';
import { checkEngines } from './doctor/engine-checks.js';
import { fail, warn, type Finding } from './doctor/finding.js';
import { checkDriver, checkNativeBuild, checkDeviceFiles } from './doctor/gpu-checks.js';
import {
  checkCgroup,
  checkDescriptors,
  checkKernelLog,
  checkNode,
  checkSharedMemory,
  checkStateDir,
} from './doctor/host-checks.js';
import { findService } from './doctor/installed-service.js';
import { checkAgents, checkCertificate, checkClock, checkPort } from './doctor/network-checks.js';

interface DoctorOptions extends ConfigOptions {
  coordinatorConfig?: string;
  json?: boolean;
}

export function addDoctorCommand(program: Command): void {
  addConfigOptions(program.command('doctor'))
    .description('say in plain words what this machine has and lacks for infernode, and what to do about it')
    .option('--coordinator-config <file>', 'also what this configuration of a coordinator names: its agents')
    .option('--json', 'one JSON array of {check, level, found, remedy}')
    .addHelpText(
      'after',
      `
Where the units are installed, what they grant is judged, not what this shell may. Levels: ok, note, WARN (works with less), FAIL.
Exit code 1: something is missing that infernode cannot do without.

Examples:
  infernode doctor
  infernode doctor --config /etc/infernode/agent.yaml
  infernode doctor --coordinator-config /etc/infernode/coordinator.yaml
  infernode doctor --json | jq '.[] | select(.level == "fail")'`,
    )
    .action(async (options: DoctorOptions) => {
      const findings = await examine(options);
      process.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : renderFindings(findings));
      if (findings.some(({ level }) => level === 'fail')) process.exitCode = 1;
    });
}

/** Everything that can be said about this machine. A configuration that is not valid is a finding, and defaults stand in. */
export async function examine(options: {
  config?: string | undefined;
  set?: string[];
  coordinatorConfig?: string | undefined;
}): Promise<Finding[]> {
  const agent = read('agent', agentSchema, options.config, options.set);
  const coordinator = read('coordinator', coordinatorSchema, options.coordinatorConfig);
  const { health, listen, nvml, stateDir, templates, tls } = agent.config;
  const [agentService, coordinatorService] = await Promise.all(
    ['infernode-agent', 'infernode-coordinator'].map(findService),
  );
  const now = Date.now();
  return [
    ...agent.findings,
    ...coordinator.findings,
    checkNode(),
    checkNativeBuild(),
    ...(await checkDriver(nvml.library)),
    checkDeviceFiles(),
    await checkCuda(health.probe.library),
    checkKernelLog(),
    checkCgroup(agentService ?? null),
    ...(await checkEngines(templates)),
    checkStateDir(stateDir, agentService ?? null),
    checkSharedMemory(),
    checkDescriptors(coordinatorService ?? null),
    await checkPort('control', listen.control),
    await checkPort('probe', listen.probe),
    await checkPort('metrics', listen.metrics),
    await checkPort('gateway', coordinator.config.listen.gateway),
    await checkClock(),
    ...checkCertificate('agent', tls && { ...tls, ca: tls.clientCa }, now),
    ...checkCertificate(
      'coordinator',
      coordinator.config.tls && { ...coordinator.config.tls, ca: coordinator.config.tls.clientCa },
      now,
    ),
    ...coordinator.config.agents.flatMap(({ address, tls: proof }) =>
      checkCertificate(`for ${address}`, proof, now),
    ),
    ...(await checkAgents(coordinator.config)),
    ...unknownVariables([agentSchema, coordinatorSchema], process.env).map((line) =>
      warn('environment', line, 'correct the name, or unset it'),
    ),
  ];
}

function read<S extends z.ZodType>(
  name: string,
  schema: S,
  file: string | undefined,
  set: string[] = [],
): { config: z.infer<S>; findings: Finding[] } {
  const { config, problem } = loadOrDefaults(schema, { file, set });
  if (problem === '') return { config, findings: [] };
  const remedy = `correct it until \`infernode config check ${name}${file ? ` --config ${file}` : ''}\` is content; defaults are looked at here`;
  return { config, findings: [fail(`${name} config`, problem, remedy)] };
}

const marks: Record<Finding['level'], string> = { ok: 'ok  ', info: 'note', warn: 'WARN', fail: 'FAIL' };

export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, level, found, remedy }) => [
    `${marks[level]}  ${check.padEnd(width)}  ${found.replaceAll('\n', `\n${' '.repeat(width + 8)}`)}`,
    ...(remedy ? [`${' '.repeat(width + 8)}-> ${remedy}`] : []),
  ]);
  const worst = findings.some((f) => f.level === 'fail')
    ? 'Something is missing that infernode cannot do without.'
    : 'infernode can run here.';
  return `${lines.join('\n')}\n\n${worst}\n`;
}
