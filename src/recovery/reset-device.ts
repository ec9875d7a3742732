/**
 * The reset of one device in its full order: engines off it, our own handles closed, nobody else on it, the operator's command, the driver
 * opened again, the device probed. Each step that fails ends the reset and leaves the device out of service; the driver is opened again in
 * any case, because the other devices need their readings.
 */
import type { DeviceStatus } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import { isSupervisedAndUp, type DriverLease } from './driver-lease.js';
import { deviceHolders } from './device-holders.js';
import type { RecoveryParts } from './recovery-parts.js';
import { runCommand } from './run-command.js';

export interface ResetSettings {
  /** Program and arguments; `{uuid}`, `{index}` and `{pci}` stand for the device. */
  command: readonly string[];
  timeoutMs: number;
  /** `null`: the templates' deadlines. */
  drainTimeoutMs: number | null;
}

/** Kept on disk like every operator's cordon: after a crash in the middle of a reset a person decides. */
export const resetHolder = 'operator:device-reset';

export type ResetResult = { ok: true } | { ok: false; step: ResetStep; reason: string };
export type ResetStep = 'drain' | 'release' | 'holders' | 'command' | 'reopen' | 'probe';

export async function resetDevice(
  device: DeviceStatus,
  parts: RecoveryParts,
  lease: DriverLease,
  settings: ResetSettings,
  facts: Readonly<Record<string, string>>,
): Promise<ResetResult> {
  return lease.exclusively(`a reset of GPU ${device.identity.index}`, async () => {
    let step: ResetStep = 'drain';
    const { uuid } = device.identity;
    const enter = (next: ResetStep): void => {
      step = next;
      parts.logger.info({ device: uuid, step }, 'device reset');
    };
    try {
      enter('drain');
      // Until it has been probed: the conditions that a reset clears must not bring an engine back before.
      parts.devices.cordon(uuid, resetHolder, 'the device is being reset');
      const on = parts.engines.list().filter((engine) => engine.deviceUuids.includes(uuid));
      await lease.drain(
        on.filter(isSupervisedAndUp).map(({ id }) => id),
        settings.drainTimeoutMs,
      );
      // Asked while NVML is open, and only after our own engines have ended.
      enter('holders');
      await requireNobody(device, parts);
      enter('release');
      await parts.driver.release();
      enter('command');
      await runReset(device, parts, settings, facts);
    } catch (error) {
      await parts.driver.acquire();
      parts.devices.uncordon(uuid, resetHolder);
      return { ok: false, step, reason: error instanceof Error ? error.message : String(error) };
    }
    enter('reopen');
    const state = await parts.driver.acquire();
    if (state.state !== 'ok')
      return { ok: false, step, reason: `the driver is ${state.state}: ${state.reason}` };
    enter('probe');
    const probe = await parts.probe(uuid);
    if (!probe.ok) return { ok: false, step, reason: `${probe.reason}; it stays cordoned by ${resetHolder}` };
    parts.devices.uncordon(uuid, resetHolder);
    return { ok: true };
  });
}

/** Throws `device-in-use` with who it is: a reset under a running process costs that process, and often the node. */
async function requireNobody({ identity }: DeviceStatus, { driver }: RecoveryParts): Promise<void> {
  const listed = (await driver.processesOf(identity.uuid)) ?? [];
  const holders = [...new Set([...listed.map(({ pid }) => pid), ...deviceHolders(identity.minorNumber)])];
  if (holders.length > 0)
    throw new InfernodeError(
      'device-in-use',
      `expected nobody on the device, got process ${holders.slice(0, 8).join(', ')}`,
    );
}

async function runReset(
  { identity }: DeviceStatus,
  { clock }: RecoveryParts,
  { command, timeoutMs }: ResetSettings,
  facts: Readonly<Record<string, string>>,
): Promise<void> {
  const argv = resetArgv(command, identity);
  const { ok, outcome, output } = await runCommand({ argv, env: facts, timeoutMs, clock });
  if (!ok)
    throw new InfernodeError('internal', `${argv[0]}: ${outcome}${output ? `: ${output.slice(-200)}` : ''}`);
}

export function resetArgv(
  command: readonly string[],
  { uuid, index, pciBusId }: { uuid: string; index: number; pciBusId: string },
): string[] {
  const facts: Record<string, string> = { '{uuid}': uuid, '{index}': String(index), '{pci}': pciBusId };
  return command.map((word) => word.replace(/\{(?:uuid|index|pci)\}/g, (name) => facts[name] ?? name));
}
