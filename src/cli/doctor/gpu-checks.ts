import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { DeviceMetrics } from '../../device/device-metrics.js';
import { DeviceSampler } from '../../device/sample-devices.js';
import type { NodeSample } from '../../domain/device.js';
import { messageOf } from '../../domain/error-codes.js';
import { nativePath, type NativeFile } from '../../native/native-paths.js';
import { Nvml } from '../../native/nvml.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { hasNvidiaDriver } from '../up/plan-cluster.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

const nativeFiles: NativeFile[] = [
  'infernode.node',
  'infernode-sampler',
  'infernode-keeper',
  'infernode-probe',
];
/** A driver that does not answer for this long is itself the finding. */
const driverTimeoutMs = 15_000;
const callDeadlineMs = 3_000;

export function checkNativeBuild(): Finding {
  try {
    nativeFiles.forEach(nativePath);
    return ok('native build', nativeFiles.join(', '));
  } catch (error) {
    return fail('native build', messageOf(error), 'run `npm run build:native`');
  }
}

/** One sample through the sampler process, as the agent takes it: a driver that hangs costs the helper, not the doctor. */
export async function checkDriver(library: string): Promise<Finding[]> {
  const runDir = mkdtempSync(join(tmpdir(), 'infernode-doctor-'));
  const sampler = new DeviceSampler({
    libraryPath: library,
    runDir,
    intervalMs: 200,
    callDeadlineMs,
    clock: systemClock,
    logger: silentLogger(),
    metrics: new DeviceMetrics(new Registry(), 'doctor'),
  });
  try {
    await sampler.start();
    const sample = await firstSample(sampler);
    return sample ? await describe(sample, library) : [hangs(`no answer within ${driverTimeoutMs / 1000} s`)];
  } catch (error) {
    return [fail('driver', `NVML cannot be sampled: ${messageOf(error)}`, 'run `npm run build:native`')];
  } finally {
    sampler.destroy('doctor has looked');
    rmSync(runDir, { recursive: true, force: true });
  }
}

async function firstSample(sampler: DeviceSampler): Promise<NodeSample | null> {
  const deadline = systemClock.monotonicMs() + driverTimeoutMs;
  // A plain timer: it holds the process, which nothing else here does.
  while (systemClock.monotonicMs() < deadline) {
    const sample = sampler.latest();
    if (sample) return sample;
    await setTimeout(50);
  }
  return null;
}

const hangs = (what: string): Finding =>
  fail(
    'driver',
    `the driver hangs: ${what}`,
    'see `dmesg | grep -iE "xid|nvrm"`; such a driver usually needs a reboot',
  );

async function describe({ driver, stuck }: NodeSample, library: string): Promise<Finding[]> {
  const stuckFindings = stuck.map(({ call, deviceIndex, forMs }) =>
    hangs(
      `${call}${deviceIndex === null ? '' : ` on GPU ${deviceIndex}`} has not returned for ${Math.round(forMs / 1000)} s`,
    ),
  );
  if (driver.state !== 'ok') return [explainDriver(driver.state, driver.reason, library), ...stuckFindings];
  const found = ok('driver', `NVIDIA driver ${driver.driverVersion}, NVML ${driver.nvmlVersion}`);
  return [found, ...(stuckFindings.length ? stuckFindings : await describeDevices(library))];
}

/** In this process, now that every call is known to return: it also lists devices that the driver gives no handle for. */
async function describeDevices(library: string): Promise<Finding[]> {
  const nvml = new Nvml(library);
  const { devices } = await nvml.snapshot();
  await nvml.close();
  return devices.map(({ index, identity, error }) => {
    if (error || !identity) {
      const answer = error ? `${error.call} answers ${error.code}` : 'the driver gives no handle for it';
      return fail(`GPU ${index}`, answer, 'see `dmesg | grep -i xid`; a lost GPU needs a reset or a reboot');
    }
    return ok(`GPU ${index}`, `${identity.name} ${identity.uuid}`);
  });
}

/** Absent library, unusable library, failed init and no device are four different answers with four remedies. */
function explainDriver(state: string, reason: string, library: string): Finding {
  switch (state) {
    case 'library-absent':
      return hasNvidiaDriver()
        ? fail(
            'driver',
            `${library} cannot be opened although the kernel module is there: ${reason}`,
            'set nvml.library to the path of libnvidia-ml.so.1, or mount it into the container',
          )
        : info(
            'driver',
            `no NVIDIA driver (${reason})`,
            'install the driver on a GPU node; `infernode up` simulates GPUs meanwhile',
          );
    case 'no-device':
      return warn(
        'driver',
        `the driver works but shows no GPU: ${reason}`,
        "check `lspci | grep -i nvidia`, and the container's device list",
      );
    default:
      return fail(
        'driver',
        `${state}: ${reason}`,
        'load the kernel module (`modprobe nvidia`); after a driver upgrade reboot or restart the container',
      );
  }
}

export function checkDeviceFiles(): Finding {
  const files = readdirSync('/dev').filter((name) => /^nvidia(\d+|ctl|-uvm)$/.test(name));
  if (files.length === 0)
    return info(
      'device files',
      'no /dev/nvidia*',
      hasNvidiaDriver() ? 'run `nvidia-modprobe -u`, or give the container the devices' : '',
    );
  const closed = files.filter((name) => {
    try {
      accessSync(`/dev/${name}`, constants.R_OK | constants.W_OK);
      return false;
    } catch {
      return true;
    }
  });
  const user = /^Uid:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return closed.length === 0
    ? ok('device files', files.map((name) => `/dev/${name}`).join(', '))
    : fail(
        'device files',
        `no access to ${closed.join(', ')} for uid ${user}`,
        "add the user to the group that owns them (often `video`), or adjust the container's device cgroup",
      );
}
