import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceEvent, DeviceReading, DeviceSample, DriverState, NodeSample } from '../domain/device.js';
import { kernelLogStates, type KernelLogStatus } from '../domain/kernel-log.js';

import { callTimeBounds } from '../native/nvml.js';
import { CallTimeHistogram, type CallTimesSource } from './call-time-histogram.js';

const megahertz = 1e6;

/** Gauges by name: help, and the value of a reading in the base unit; `null` leaves the series out. */
const readings: Record<string, { help: string; value: (reading: DeviceReading) => number | null }> = {
  temperature_celsius: { help: 'Temperature of the GPU die', value: (r) => r.temperatureCelsius },
  memory_temperature_celsius: {
    help: 'Temperature of the GPU memory',
    value: (r) => r.memoryTemperatureCelsius,
  },
  power_watts: { help: 'Power drawn by the board', value: (r) => r.powerWatts },
  power_limit_watts: { help: 'Power limit that is enforced', value: (r) => r.powerLimitWatts },
  sm_clock_hertz: { help: 'Clock of the SMs', value: (r) => times(r.smClockMhz, megahertz) },
  memory_clock_hertz: { help: 'Clock of the memory', value: (r) => times(r.memoryClockMhz, megahertz) },
  memory_total_bytes: { help: 'Memory of the device', value: (r) => r.memoryTotalBytes },
  memory_used_bytes: { help: 'Memory in use', value: (r) => r.memoryUsedBytes },
  memory_free_bytes: { help: 'Memory that is free', value: (r) => r.memoryFreeBytes },
  utilization_ratio: {
    help: 'Share of time in which any kernel ran',
    value: (r) => r.gpuUtilizationRatio,
  },
  memory_utilization_ratio: {
    help: 'Share of time in which memory was read or written',
    value: (r) => r.memoryUtilizationRatio,
  },
  throttle_reasons: {
    help: 'Bit mask of the reasons why clocks are held down',
    value: (r) => r.throttleReasons,
  },
  pcie_link_width: { help: 'Lanes of the PCIe link', value: (r) => r.pcieLinkWidth },
  pcie_replays: { help: 'PCIe replays since the driver was loaded', value: (r) => r.pcieReplayCounter },
  ecc_uncorrected_errors: {
    help: 'Uncorrected memory errors since the driver was loaded',
    value: (r) => r.eccUncorrectedVolatile,
  },
  ecc_corrected_errors: {
    help: 'Corrected memory errors since the driver was loaded',
    value: (r) => r.eccCorrectedVolatile,
  },
};

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
    for (const [name, { help, value }] of Object.entries(readings))
      perDevice(name, help, ({ reading }) => value(reading));
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

function times(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}
