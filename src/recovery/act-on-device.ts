/**
 * What becomes of the action that a device wants. Engines are restarted and drained by the engine fleet; here a device is reset where the
 * operator has enabled it, and a hook is run for what no agent may do itself. Once per episode, a bounded number of times a day, never twice
 * at once; everything is in the history, and a dry run says what would be done.
 */
import type { DeviceStatus } from '../domain/device.js';
import { messageOf } from '../domain/error-codes.js';
import type { DriverLease } from './driver-lease.js';
import type { ActionOutcome, RecoveryMetrics } from './recovery-metrics.js';
import type { RecoveryParts } from './recovery-parts.js';
import { resetArgv, resetDevice } from './reset-device.js';
import { runCommand } from './run-command.js';

export interface ActionSettings {
  resetDevice: 'off' | 'dry-run' | 'on';
  resetCommand: readonly string[];
  resetTimeoutMs: number;
  drainTimeoutMs: number | null;
  /** Resets of one device in 24 hours. */
  maxResets: number;
  /** Run when a device wants a reboot of the node or a new part; empty: none. */
  hook: readonly string[];
  hookTimeoutMs: number;
  /** Every fault of this node is a rehearsal, so that rehearsals are carried out. */
  drillNode: boolean;
}

const dayMs = 24 * 3_600_000;

export class DeviceActions {
  readonly #parts: RecoveryParts;
  readonly #lease: DriverLease;
  readonly #metrics: RecoveryMetrics;
  readonly #settings: ActionSettings;
  /** The action that was last considered for a device, while it lasts. */
  readonly #episodes = new Map<string, string>();
  /** When a device was reset, monotonic ms. */
  readonly #resets = new Map<string, number[]>();
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: RecoveryParts, lease: DriverLease, metrics: RecoveryMetrics, settings: ActionSettings) {
    this.#parts = parts;
    this.#lease = lease;
    this.#metrics = metrics;
    this.#settings = settings;
  }

  /** Begins what is wanted anew; resets take turns. */
  consider(devices: readonly DeviceStatus[]): void {
    const known = new Set(devices.map(({ identity }) => identity.uuid));
    for (const uuid of this.#episodes.keys()) if (!known.has(uuid)) this.#episodes.delete(uuid);
    for (const device of devices) {
      const { uuid } = device.identity;
      // While the driver is released nothing is known; the episode goes on.
      if (device.health === 'unknown') continue;
      const wants = device.health === 'unhealthy' ? device.action : 'none';
      if ((this.#episodes.get(uuid) ?? 'none') === wants) continue;
      this.#episodes.set(uuid, wants);
      if (wants === 'reset-device') this.#reset(device);
      else if (wants === 'reboot-node' || wants === 'replace-hardware') this.#runHook(device);
    }
  }

  /** What is done about the action that a device wants, in a sentence. */
  plan(device: DeviceStatus): string {
    const { resetDevice: mode, hook } = this.#settings;
    switch (device.action) {
      case 'none':
        return 'nothing is asked for';
      case 'restart-engine':
        return 'the engine whose process the driver named is restarted; without a name, those on the device';
      case 'reset-device':
        if (mode === 'off')
          return 'a reset is wanted and not enabled: set health.actions.resetDevice, or reset by hand and acquire the driver';
        return `${this.#isDryRun(device) ? 'would drain, release the driver and run' : 'drains, releases the driver and runs'}: ${this.#argv(device).join(' ')}`;
      default:
        return hook.length === 0
          ? `${device.action} is left to the operator; health.actions.hook can tell somebody`
          : `${device.action} is left to the operator, who is told by: ${hook.join(' ')}`;
    }
  }

  /** Lets what runs come to its end; what waits behind it is told as dropped, and what is wanted from now on too. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
  }

  #reset(device: DeviceStatus): void {
    const { resetDevice: mode, maxResets } = this.#settings;
    if (mode === 'off') return;
    if (this.#isDryRun(device)) {
      this.#note(
        device,
        'dry-run',
        `would drain the engines on it, release the driver and run: ${this.#argv(device).join(' ')}`,
      );
      return;
    }
    const { uuid } = device.identity;
    const nowMs = this.#parts.clock.monotonicMs();
    const recent = (this.#resets.get(uuid) ?? []).filter((atMs) => nowMs - atMs < dayMs);
    if (recent.length >= maxResets) {
      this.#note(device, 'given-up', `was reset ${recent.length} times in 24 hours and is not reset again`);
      return;
    }
    this.#resets.set(uuid, [...recent, nowMs]);
    this.#later(device, () => this.#carryOut(device));
  }

  async #carryOut(device: DeviceStatus): Promise<void> {
    const { resetCommand: command, resetTimeoutMs: timeoutMs, drainTimeoutMs } = this.#settings;
    const settings = { command, timeoutMs, drainTimeoutMs };
    const result = await resetDevice(device, this.#parts, this.#lease, settings, this.#facts(device));
    if (result.ok) this.#note(device, 'done', 'was reset, answers, and is back in service');
    else this.#note(device, 'failed', `could not be reset, at step ${result.step}: ${result.reason}`);
  }

  #runHook(device: DeviceStatus): void {
    const { hook, hookTimeoutMs } = this.#settings;
    if (hook.length === 0) return;
    if (this.#isRehearsal(device)) {
      this.#note(device, 'dry-run', `would run: ${hook.join(' ')}`);
      return;
    }
    this.#later(device, async () => {
      const { clock } = this.#parts;
      const result = await runCommand({
        argv: hook,
        env: this.#facts(device),
        timeoutMs: hookTimeoutMs,
        clock,
      });
      const output = result.output ? `: ${result.output.slice(-200)}` : '';
      this.#note(device, result.ok ? 'done' : 'failed', `the hook ended with ${result.outcome}${output}`);
    });
  }

  /** One after the other; a failure of one is written down and the next goes on. */
  #later(device: DeviceStatus, work: () => Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) {
        this.#note(
          device,
          'dropped',
          'is left as it is, because the agent ends; the next one considers it anew',
        );
        return;
      }
      try {
        await work();
      } catch (error) {
        this.#parts.logger.error({ err: error }, 'an action on a device failed');
        this.#parts.note({
          kind: 'action',
          source: 'agent',
          reason: `an action failed: ${messageOf(error)}`,
        });
      }
    });
  }

  #isDryRun(device: DeviceStatus): boolean {
    return this.#settings.resetDevice === 'dry-run' || this.#isRehearsal(device);
  }

  /** A drill on a real node must not cost real work. */
  #isRehearsal({ conditions }: DeviceStatus): boolean {
    return !this.#settings.drillNode && conditions.some(({ drill }) => drill === true);
  }

  #argv({ identity }: DeviceStatus): string[] {
    return resetArgv(this.#settings.resetCommand, identity);
  }

  #facts({ identity, action, reason, severity, conditions }: DeviceStatus): Record<string, string> {
    const worst = conditions.find((condition) => condition.action === action) ?? conditions[0];
    return {
      INFERNODE_NODE: this.#parts.nodeName,
      INFERNODE_ACTION: action,
      INFERNODE_DEVICE_UUID: identity.uuid,
      INFERNODE_DEVICE_INDEX: String(identity.index),
      INFERNODE_DEVICE_SERIAL: identity.serial ?? '',
      INFERNODE_DEVICE_PCI: identity.pciBusId,
      INFERNODE_CHECK: worst?.check ?? '',
      INFERNODE_SEVERITY: severity ?? '',
      INFERNODE_REASON: reason,
      INFERNODE_DRILL: conditions.some(({ drill }) => drill === true) ? '1' : '0',
    };
  }

  #note({ identity, action, conditions }: DeviceStatus, outcome: ActionOutcome, what: string): void {
    const reason = `${action}, ${outcome}: GPU ${identity.index} ${what}`;
    this.#metrics.count(action, outcome);
    const level = outcome === 'failed' || outcome === 'given-up' ? 'error' : 'warn';
    this.#parts.logger[level]({ device: identity.uuid, action, outcome }, reason);
    const drill = conditions.some((condition) => condition.drill === true);
    this.#parts.note({ kind: 'action', source: 'agent', device: identity.uuid, action, reason, drill });
  }
}
