import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceEvent, DeviceReading, DeviceSample, DriverState, NodeSample } from '../domain/device.js';

const megahertz = 1e6;

/** Gauges by name: help, and the value of a sample in the base unit; `null` leaves the series out. */
const gauges: Record<string, { help: string; value: (reading: DeviceReading) => number | null }> = {
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

const driverStates: readonly DriverState['state'][] = [
  'ok',
  'library-absent',
  'library-unusable',
  'init-failed',
  'no-device',
  'released',
];

type DeviceLabels = 'node' | 'device';

/** A device's series appear with its first sample and go when it is no longer listed. */
export class DeviceMetrics {
  readonly #node: string;
  readonly #readings: { gauge: Gauge<DeviceLabels>; value: (reading: DeviceReading) => number | null }[];
  readonly #age: Gauge<DeviceLabels>;
  readonly #stuck: Gauge<DeviceLabels>;
  readonly #driver: Gauge<'node' | 'state'>;
  readonly #stuckSamplers: Gauge<'node'>;
  readonly #counters: Record<SamplerCount, Counter<'node'>>;
  readonly #events: Counter<'node' | 'kind'>;
  #shown = new Set<string>();

  constructor(registry: Registry, node: string) {
    const registers = [registry];
    const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
      new Gauge({ name: `infernode_device_${name}`, help, labelNames, registers });
    const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
      new Counter({ name: `infernode_device_${name}_total`, help, labelNames, registers });
    const perDevice = ['node', 'device'] as const;
    this.#node = node;
    this.#readings = Object.entries(gauges).map(([name, { help, value }]) => ({
      gauge: gauge(name, help, perDevice),
      value,
    }));
    this.#age = gauge('sample_age_seconds', 'Age of the newest reading of a device', perDevice);
    this.#stuck = gauge(
      'call_stuck_seconds',
      'How long a driver call on the device has not returned',
      perDevice,
    );
    this.#driver = gauge('driver_state', 'One series per state of the driver, 1 for the current one', [
      'node',
      'state',
    ]);
    this.#stuckSamplers = gauge('samplers_stuck', 'Abandoned samplers that have not ended yet', ['node']);
    this.#events = counter('events', 'Events reported by the driver', ['node', 'kind']);
    this.#counters = {
      restarts: counter('sampler_restarts', 'Samplers started after the first', ['node']),
      crashes: counter('sampler_crashes', 'Samplers that ended by themselves', ['node']),
      abandoned: counter('samplers_abandoned', 'Samplers given up because a driver call was stuck', ['node']),
      eventsDropped: counter('events_dropped', 'Events lost because the pipe was full', ['node']),
      garbage: counter('event_lines_invalid', 'Lines of the event pipe that could not be read', ['node']),
    };
    for (const name of Object.keys(this.#counters) as SamplerCount[]) this.count(name, 0);
    this.showStuckSamplers(0);
  }

  count(what: SamplerCount, by = 1): void {
    this.#counters[what].inc({ node: this.#node }, by);
  }

  showStuckSamplers(now: number): void {
    this.#stuckSamplers.set({ node: this.#node }, now);
  }

  countEvent(kind: DeviceEvent['kind']): void {
    this.#events.inc({ node: this.#node, kind });
  }

  show({ driver, devices, stuck }: NodeSample): void {
    for (const state of driverStates)
      this.#driver.set({ node: this.#node, state }, driver.state === state ? 1 : 0);
    const present = new Set(devices.map(({ identity }) => identity.uuid));
    for (const uuid of this.#shown) if (!present.has(uuid)) this.#forget(uuid);
    this.#shown = present;
    for (const device of devices)
      this.#showDevice(device, stuck.find((s) => s.deviceUuid === device.identity.uuid)?.forMs ?? 0);
  }

  #showDevice({ identity, reading, ageMs }: DeviceSample, stuckForMs: number): void {
    const labels = { node: this.#node, device: identity.uuid };
    for (const { gauge, value } of this.#readings) {
      const number = value(reading);
      if (number === null) gauge.remove(labels);
      else gauge.set(labels, number);
    }
    this.#age.set(labels, ageMs / 1000);
    this.#stuck.set(labels, stuckForMs / 1000);
  }

  #forget(uuid: string): void {
    const labels = { node: this.#node, device: uuid };
    for (const { gauge } of this.#readings) gauge.remove(labels);
    this.#age.remove(labels);
    this.#stuck.remove(labels);
  }
}

export type SamplerCount = 'restarts' | 'crashes' | 'abandoned' | 'eventsDropped' | 'garbage';

function times(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}
