import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceEvent, DeviceSample, DriverState, NodeSample } from '../domain/device.js';
import { kernelLogStates, type KernelLogStatus } from '../domain/kernel-log.js';

import { callTimeBounds } from '../native/nvml.js';
import { CallTimeHistogram, type CallTimesSource } from './call-time-histogram.js';
import { DcgmNames } from './dcgm-names.js';
import { PartGauges } from './part-gauges.js';
import { readingTable } from './reading-table.js';

const eventKinds: readonly DeviceEvent['kind'][] = [
  'xid',
  'single-bit-ecc',
  'double-bit-ecc',
  'recovery-action',
  'unavailable',
  'other',
];

const driverStates: readonly DriverState['state'][] = [
  'ok',
  'library-absent',
  'library-unusable',
  'init-failed',
  'no-device',
  'released',
];

/**
 * A device's series are there while the driver lists it. Gauges are filled from the newest sample when they are read: a
 * scrape comes each 15 s, a sample each second.
 */
export class DeviceMetrics {
  readonly #node: string;
  readonly #counters: Record<SamplerCount, Counter<'node'>>;
  readonly #events: Counter<'node' | 'kind'>;
  readonly #callTimes: CallTimeHistogram;
  readonly #kernelLog: Record<'records' | 'lost' | 'invalid', Counter<'node'>>;
  #kernelLogState: KernelLogStatus['state'] = 'off';
  #sample: NodeSample | null = null;
  #stuckSamplers = 0;
  #dcgm: DcgmNames | null = null;

  constructor(registry: Registry, node: string) {
    const registers = [registry];
    const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
      new Counter({ name: `infernode_device_${name}_total`, help, labelNames, registers });
    this.#node = node;
    this.#createGauges(registry);
    this.#callTimes = new CallTimeHistogram(registry, node, callTimeBounds);
    this.#events = counter('events', 'Events reported by the driver', ['node', 'kind']);
    this.#counters = {
      restarts: counter('sampler_restarts', 'Samplers started after the first', ['node']),
      crashes: counter('sampler_crashes', 'Samplers that ended by themselves', ['node']),
      abandoned: counter('samplers_abandoned', 'Samplers given up because a driver call was stuck', ['node']),
      eventsDropped: counter('events_dropped', 'Events lost because the pipe was full', ['node']),
      garbage: counter('event_lines_invalid', 'Lines of the event pipe that could not be read', ['node']),
    };
    const kernel = (name: string, help: string): Counter<'node'> =>
      new Counter({ name: `infernode_kmsg_${name}_total`, help, labelNames: ['node'], registers });
    this.#kernelLog = {
      records: kernel('records', 'Records of the kernel log that concern GPUs or engines'),
      lost: kernel('lost', 'Records of the kernel log that were overwritten before they were read'),
      invalid: kernel('invalid', 'Records of the kernel log that were no text, or too long'),
    };
    this.countKernelLog({ records: 0, lost: 0, invalid: 0 });
    for (const name of Object.keys(this.#counters) as SamplerCount[]) this.count(name, 0);
    for (const kind of eventKinds) this.#events.inc({ node, kind }, 0);
  }

  count(what: SamplerCount, by = 1): void {
    this.#counters[what].inc({ node: this.#node }, by);
  }

  showStuckSamplers(now: number): void {
    this.#stuckSamplers = now;
  }

  /** The same numbers once more, under the names of NVIDIA's exporter. */
  offerDcgmNames(registry: Registry): void {
    this.#dcgm ??= new DcgmNames(registry, this.#node, () => this.#sample);
  }

  noteXid({ kind, code, deviceUuid }: DeviceEvent): void {
    if (kind === 'xid' && deviceUuid !== null) this.#dcgm?.noteXid(deviceUuid, code);
  }

  countEvent(kind: DeviceEvent['kind']): void {
    this.#events.inc({ node: this.#node, kind });
  }

  showCallTimes(source: CallTimesSource | null): void {
    this.#callTimes.show(source);
  }

  countKernelLog(counts: Partial<Record<'records' | 'lost' | 'invalid', number>>): void {
    for (const [name, count] of Object.entries(counts))
      this.#kernelLog[name as keyof typeof counts].inc({ node: this.#node }, count);
  }

  showKernelLog({ state }: KernelLogStatus): void {
    this.#kernelLogState = state;
  }

  show(sample: NodeSample): void {
    this.#sample = sample;
  }

  #createGauges(registry: Registry): void {
    const node = this.#node;
    const gauge = (name: string, help: string, label: string | null, values: () => Values): void =>
      fullName(`infernode_device_${name}`, help, label, values);
    const fullName = (name: string, help: string, label: string | null, values: () => Values): void => {
      const labelNames = label === null ? ['node'] : ['node', label];
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames,
        registers: [registry],
        collect: () => {
          gauge.reset();
          for (const [key, value] of values())
            if (value !== null) gauge.set(label === null ? { node } : { node, [label]: key }, value);
        },
      });
    };
    const perDevice = (name: string, help: string, value: (device: DeviceSample) => number | null): void =>
      gauge(name, help, 'device', () =>
        (this.#sample?.devices ?? []).map((device) => [device.identity.uuid, value(device)]),
      );
    for (const [name, { help, value }] of Object.entries(readingTable)) perDevice(name, help, value);
    new PartGauges(registry, node, () => this.#sample?.devices ?? []);
    perDevice('sample_age_seconds', 'Age of the newest reading of a device', ({ ageMs }) => ageMs / 1000);
    perDevice(
      'call_stuck_seconds',
      'How long a driver call on the device has not returned; 0 while none hangs',
      ({ identity }) => this.#stuckForMs(identity.uuid) / 1000,
    );
    gauge('driver_state', 'One series per state of the driver, 1 for the current one', 'state', () =>
      driverStates.map((state) => [state, this.#sample?.driver.state === state ? 1 : 0]),
    );
    fullName(
      'infernode_kmsg_state',
      'One series per state of reading the kernel log, 1 for the current one',
      'state',
      () => kernelLogStates.map((state) => [state, this.#kernelLogState === state ? 1 : 0]),
    );
    gauge('samplers_stuck', 'Abandoned samplers that have not ended yet', null, () => [
      ['', this.#stuckSamplers],
    ]);
  }

  #stuckForMs(uuid: string): number {
    return this.#sample?.stuck.find(({ deviceUuid }) => deviceUuid === uuid)?.forMs ?? 0;
  }
}

type Values = [key: string, value: number | null][];

export type SamplerCount = 'restarts' | 'crashes' | 'abandoned' | 'eventsDropped' | 'garbage';
