/** Short probes on demand, one at a time per device, and the last result of each for the check `active_probe`. */
import type { ProbeVerdict } from '../domain/gpu-probe.js';
import type { ProbeResult } from '../domain/workload.js';
import { probeDevice, type ProbeRequest } from './probe-device.js';

export class DeviceProber {
  readonly #request: Omit<ProbeRequest, 'device'>;
  readonly #running = new Map<string, Promise<ProbeVerdict>>();
  readonly #results = new Map<string, ProbeResult>();

  constructor(request: Omit<ProbeRequest, 'device'>) {
    this.#request = request;
  }

  /** By device UUID. A device that could not be asked has none: no news is unknown. */
  get results(): ReadonlyMap<string, ProbeResult> {
    return this.#results;
  }

  /** Only for a device without work: the probe takes memory and time of it. Never rejects. */
  probe(deviceUuid: string): Promise<ProbeVerdict> {
    const running = this.#running.get(deviceUuid) ?? this.#probe(deviceUuid);
    this.#running.set(deviceUuid, running);
    return running;
  }

  async #probe(deviceUuid: string): Promise<ProbeVerdict> {
    const verdict = await probeDevice({ ...this.#request, device: deviceUuid });
    this.#running.delete(deviceUuid);
    if (verdict.verdict === 'unavailable') this.#results.delete(deviceUuid);
    else
      this.#results.set(deviceUuid, {
        deviceUuid,
        passed: verdict.verdict === 'pass',
        reason: verdict.reason,
      });
    return verdict;
  }
}
