/** CUDA, which only the probe, the heartbeat and the KV kernels on the GPU need: without it everything else works. */
import { probeDevice } from '../../device/probe-device.js';
import { systemClock } from '../../runtime/clock.js';
import { hasNvidiaDriver } from '../up/plan-cluster.js';
import { whileAlive } from '../while-alive.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

const timeLimitMs = 10_000;
/** `cuDriverGetVersion` 12020 is CUDA 12.2. */
const dotted = (version: number): string =>
  `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;

/** A short probe of the first device with little memory, in a process of its own: an engine beside it feels nothing of it. */
export async function checkCuda(library: string): Promise<Finding> {
  const request = { library, device: '0', memoryMiB: 1, timeLimitMs, clock: systemClock };
  const { verdict, code, reason, device } = await whileAlive(probeDevice(request));
  if (verdict === 'pass' && device)
    return ok(
      'CUDA',
      `driver for CUDA ${dotted(device.cudaVersion)}, kernels load and compute on ${device.name} (compute ${device.computeCapability})`,
    );
  if (verdict === 'fail')
    return fail('CUDA', `${code}: ${reason}`, 'run `infernode probe 0`, and see `dmesg | grep -i xid`');
  if (code !== 'library-absent')
    return warn('CUDA', reason, 'without it there are no probes, heartbeats or KV kernels on this GPU');
  return hasNvidiaDriver()
    ? warn(
        'CUDA',
        `${reason}, although the kernel module is there`,
        'set health.probe.library to the path of libcuda.so.1, or give the container the compute capability',
      )
    : info('CUDA', 'no NVIDIA driver, so no probes and no KV kernels on a GPU');
}
