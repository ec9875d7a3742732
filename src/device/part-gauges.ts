/** Gauges with a label beside the device: reasons of throttling, NVLinks as a whole, and how long readings take by cost class. */
import { Gauge, type Registry } from 'prom-client';
import type { LinkReading } from '../domain/device-details.js';
import type { DeviceSample } from '../domain/device.js';

/** Bits of nvmlClocksEventReasons. */
const throttleReasons: Record<string, number> = {
  idle: 0x1,
  'applications-clocks': 0x2,
  'software-power-cap': 0x4,
  'hardware-slowdown': 0x8,
  'sync-boost': 0x10,
  'software-thermal': 0x20,
  'hardware-thermal': 0x40,
  'power-brake': 0x80,
  'display-clocks': 0x100,
};

const linkErrors: Record<string, keyof LinkReading> = {
  replay: 'replayErrors',
  recovery: 'recoveryErrors',
  crc: 'crcErrors',
  receive: 'receiveErrors',
  integrity: 'localIntegrityErrors',
  discard: 'discards',
  'recovery-failed': 'recoveryFailed',
  symbol: 'symbolErrors',
};

type Value = [label: string, value: number | null];

export class PartGauges {
  constructor(registry: Registry, node: string, devices: () => readonly DeviceSample[]) {
    const gauge = (
      name: string,
      help: string,
      label: string,
      values: (device: DeviceSample) => Value[],
    ): void => {
      const own: Gauge = new Gauge({
        name: `infernode_device_${name}`,
        help,
        labelNames: ['node', 'device', label],
        registers: [registry],
        collect: () => {
          own.reset();
          for (const device of devices())
            for (const [key, value] of values(device))
              if (value !== null) own.set({ node, device: device.identity.uuid, [label]: key }, value);
        },
      });
    };
    gauge(
      'throttle_active',
      'One series per reason why clocks are held down, 1 while it does',
      'reason',
      throttling,
    );
    gauge('nvlinks', 'NVLinks of the device by state', 'state', linkStates);
    gauge(
      'nvlink_errors',
      'Errors of all NVLinks of the device since the driver was loaded',
      'kind',
      errorsOf,
    );
    gauge('read_seconds', 'How long the last reading of a cost class took', 'class', ({ details }) => [
      ['fast', details.fastReadSeconds],
      ['normal', details.normalReadSeconds],
      ['slow', details.slowReadSeconds],
    ]);
    gauge('mig_memory_used_bytes', 'Memory in use of a MIG instance', 'instance', ({ parts }) =>
      (parts.migs ?? []).map(({ uuid, memoryUsedBytes }) => [uuid, memoryUsedBytes]),
    );
  }
}

function throttling({ reading }: DeviceSample): Value[] {
  const mask = reading.throttleReasons;
  if (mask === null) return [];
  return Object.entries(throttleReasons).map(([reason, bit]) => [reason, (mask & bit) === 0 ? 0 : 1]);
}

function linkStates({ parts }: DeviceSample): Value[] {
  if (!parts.links) return [];
  const active = parts.links.filter((link) => link.active === 1).length;
  return [
    ['active', active],
    ['inactive', parts.links.length - active],
  ];
}

function errorsOf({ parts }: DeviceSample): Value[] {
  return Object.entries(linkErrors).map(([kind, column]) => [kind, sumOf(parts.links ?? [], column)]);
}

/** `null`: no link of this part counts such errors. */
function sumOf(links: readonly LinkReading[], column: keyof LinkReading): number | null {
  const counts = links.flatMap((link) => link[column] ?? []);
  return counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0);
}
