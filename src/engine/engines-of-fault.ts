import type { Fault } from '../domain/health.js';
import type { EngineSupervisor } from './engine-supervisor.js';

/**
 * Engines that a fault wants a new process of: the one that it names by pid, else those in its MIG instance, else all on the device;
 * `stranger` when the pid is somebody else's. News of an incident that the present process has not seen are about its predecessor.
 */
export function enginesOfFault(
  { drain, deviceUuid, pid, holders, observedAtMs }: Fault,
  engines: readonly EngineSupervisor[],
  seesHostPids: boolean,
): EngineSupervisor[] | 'stranger' {
  if (drain !== 'restart-engine' || deviceUuid === null) return [];
  const onDevice = engines.filter(({ run }) => run?.deviceUuids.includes(deviceUuid));
  const named = pid === null ? [] : onDevice.filter(({ run }) => run?.pids.has(pid));
  // The driver names pids of the host: where we see those too, one that is no engine's is somebody else's crash.
  if (pid !== null && named.length === 0 && seesHostPids) return 'stranger';
  const hurt =
    holders === undefined
      ? onDevice
      : onDevice.filter(({ run }) => holders.some((one) => run?.pids.has(one)));
  return (named.length > 0 ? named : hurt).filter(({ run }) => run && run.startedAtMs <= observedAtMs);
}
