import type { Command } from 'commander';
import { agentSchema } from '../config/agent-config.js';
import { coordinatorSchema } from '../config/coordinator-config.js';
import { loadConfig } from '../config/load-config.js';
import { unknownVariables } from '../config/unknown-variables.js';
import { addConfigOptions, type ConfigOptions } from './config-options.js';
import { checkDriver, checkNativeBuild, checkDeviceFiles } from './doctor/gpu-checks.js';
import { warn, type Finding } from './doctor/finding.js';
import {
  checkCertificate,
  checkCgroup,
  checkDescriptors,
  checkKernelLog,
  checkNode,
  checkPort,
  checkSharedMemory,
  checkStateDir,
  checkVllm,
} from './doctor/host-checks.js';

interface DoctorOptions extends ConfigOptions {
  json?: boolean;
}

export function addDoctorCommand(program: Command): void {
  addConfigOptions(program.command('doctor'))
    .description('say in plain words what this machine has and lacks for infernode, and what to do about it')
    .option('--json', 'one JSON array')
    .action(async (options: DoctorOptions) => {
      const findings = await examine(options);
      process.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : renderFindings(findings));
      if (findings.some(({ level }) => level === 'fail')) process.exitCode = 1;
    });
}

/** Everything that can be said about this machine, with the configuration of the agent. */
export async function examine({
  config: file,
  set = [],
}: {
  config?: string | undefined;
  set?: string[];
}): Promise<Finding[]> {
  const { config } = loadConfig(agentSchema, { file, set });
  const coordinator = loadConfig(coordinatorSchema, {}).config;
  return [
    checkNode(),
    checkNativeBuild(),
    ...(await checkDriver(config.nvml.library)),
    checkDeviceFiles(),
    checkKernelLog(),
    checkCgroup(),
    await checkVllm(),
    checkStateDir(config.stateDir),
    checkSharedMemory(),
    checkDescriptors(),
    await checkPort('control', config.listen.control),
    await checkPort('probe', config.listen.probe),
    await checkPort('metrics', config.listen.metrics),
    await checkPort('gateway', coordinator.listen.gateway),
    ...checkCertificate('agent', config.tls, Date.now()),
    ...unknownVariables([agentSchema, coordinatorSchema], process.env).map((line) =>
      warn('environment', line, 'correct the name, or unset it'),
    ),
  ];
}

const marks: Record<Finding['level'], string> = { ok: 'ok  ', info: 'note', warn: 'WARN', fail: 'FAIL' };

export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, level, found, remedy }) => [
    `${marks[level]}  ${check.padEnd(width)}  ${found}`,
    ...(remedy ? [`${' '.repeat(width + 8)}-> ${remedy}`] : []),
  ]);
  const worst = findings.some((f) => f.level === 'fail')
    ? 'Something is missing that infernode cannot do without.'
    : 'infernode can run here.';
  return `${lines.join('\n')}\n\n${worst}\n`;
}
