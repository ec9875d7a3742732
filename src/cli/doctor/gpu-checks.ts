import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { messageOf } from '../../domain/error-codes.js';
import { nativePath, type NativeFile } from '../../native/native-paths.js';
import { Nvml } from '../../native/nvml.js';
import { hasNvidiaDriver } from '../up/plan-cluster.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

const nativeFiles: NativeFile[] = ['infernode.node', 'infernode-sampler', 'infernode-keeper'];
/** A driver that does not answer for this long is itself the finding. */
const driverTimeoutMs = 15_000;

export function checkNativeBuild(): Finding {
  try {
    nativeFiles.forEach(nativePath);
    return ok('native build', nativeFiles.join(', '));
  } catch (error) {
    return fail('native build', messageOf(error), 'run `npm run build:native`');
  }
}

/** Opens NVML in this process and reads every device once. */
export async function checkDriver(library: string): Promise<Finding[]> {
  try {
    const nvml = new Nvml(library);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no answer within ${driverTimeoutMs / 1000} s`)),
        driverTimeoutMs,
      );
    });
    const { driver, devices } = await Promise.race([nvml.snapshot(), late]).finally(() =>
      clearTimeout(timer),
    );
    if (driver.state !== 'ok') return [explainDriver(driver.state, driver.reason, library)];
    await nvml.close();
    return [
      ok('driver', `NVIDIA driver ${driver.driverVersion}, NVML ${driver.nvmlVersion}`),
      ...devices.map(({ index, identity, error }) =>
        error
          ? fail(
              `GPU ${index}`,
              `${error.call} answers ${error.code}`,
              'see `dmesg | grep -i xid`; a lost GPU needs a reset or a reboot',
            )
          : ok(`GPU ${index}`, identity ? `${identity.name} ${identity.uuid}` : 'no handle'),
      ),
    ];
  } catch (error) {
    return [
      fail(
        'driver',
        `NVML cannot be used: ${messageOf(error)}`,
        'see `dmesg`; a driver that hangs needs a reboot',
      ),
    ];
  }
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
