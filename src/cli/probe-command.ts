import type { Command } from 'commander';
import { agentSchema } from '../config/agent-config.js';
import { loadConfig } from '../config/load-config.js';
import { probeDevice } from '../device/probe-device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { ProbeStep, ProbeVerdict } from '../domain/gpu-probe.js';
import { systemClock } from '../runtime/clock.js';
import { addConfigOptions, type ConfigOptions } from './config-options.js';
import { whileAlive } from './while-alive.js';

/** `pass` 0, `fail` 1, `unavailable` 3: a script must not take "could not be asked" for either. */
const exitCodes = { pass: 0, fail: 1, unavailable: 3 } as const;

export function addProbeCommand(program: Command): void {
  addConfigOptions(program.command('probe <gpu>'))
    .description(
      'test memory, arithmetic, copies and graphs of one GPU (index or GPU-... UUID) in a process of its own; health.probe has its limits',
    )
    .option('--json', 'the whole verdict as JSON')
    .action(async (gpu: string, { config: file, set, json }: ConfigOptions & { json?: boolean }) => {
      if (!/^(\d{1,4}|GPU-[\w-]+)$/.test(gpu))
        throw new InfernodeError(
          'argument-invalid',
          `gpu: expected an index or a GPU-... UUID, got "${gpu}"`,
        );
      const { library, memoryMiB, timeLimitMs } = loadConfig(agentSchema, { file, set }).config.health.probe;
      const verdict = await whileAlive(
        probeDevice({ library, device: gpu, memoryMiB, timeLimitMs, clock: systemClock }),
      );
      process.stdout.write(json ? `${JSON.stringify(verdict)}\n` : render(gpu, verdict));
      process.exitCode = exitCodes[verdict.verdict];
    });
}

function render(gpu: string, { verdict, reason, device, steps }: ProbeVerdict): string {
  const name = device ? `${device.name}, ${device.uuid}, compute ${device.computeCapability}` : 'not opened';
  const lines = [`GPU ${gpu}: ${name}`, ...steps.map(renderStep)];
  lines.push(reason === '' ? verdict : `${verdict}: ${reason}`);
  return `${lines.join('\n')}\n`;
}

function renderStep({ name, result, ms, values }: ProbeStep): string {
  const measured = Object.entries(values).map(([key, value]) => `${key} ${formatValue(key, value)}`);
  return `  ${name.padEnd(8)} ${result.padEnd(12)} ${ms.toFixed(0).padStart(6)} ms  ${measured.join(', ')}`.trimEnd();
}

function formatValue(key: string, value: number): string {
  if (key.endsWith('BytesPerSecond')) return `${(value / 1e9).toFixed(1)} GB/s`;
  if (key.endsWith('Seconds')) return `${(value * 1e6).toFixed(1)} us`;
  return key === 'bytes' ? `${(value / 2 ** 20).toFixed(0)} MiB` : String(value);
}
