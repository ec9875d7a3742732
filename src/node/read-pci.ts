/** PCI devices by sysfs: which GPUs are on the bus, and which bridges redirect peer traffic (ACS). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalPciBusId } from '../domain/canonical-pci-bus-id.js';
import { readNames, readText } from './read-text.js';

const folder = 'sys/bus/pci/devices';
const nvidiaVendor = '0x10de';
/** Display controllers: VGA and 3D. Audio functions and switches of the same vendor are no GPUs. */
const gpuClass = /^0x03(00|02)/;
const bridgeClass = /^0x0604/;

/** Hosts with eight GPUs have hundreds of devices on the bus; what one is never changes, so each is read once. */
export class PciBus {
  readonly #root: string;
  #isGpu = new Map<string, boolean>();

  constructor(root: string) {
    this.#root = root;
  }

  /** `dddddddd:bb:dd.f` of the NVIDIA GPUs that are on the bus now; `null` without a readable bus. */
  async gpus(): Promise<string[] | null> {
    const names = await readNames(this.#root, folder);
    if (names === null) return null;
    const before = this.#isGpu;
    // What is gone is forgotten: another device may be plugged in there.
    this.#isGpu = new Map();
    for (const name of names) {
      const isGpu = before.get(name) ?? (await this.#looksLikeGpu(name));
      if (isGpu !== null) this.#isGpu.set(name, isGpu);
    }
    return names.filter((name) => this.#isGpu.get(name)).map((name) => canonicalPciBusId(name));
  }

  /** `null`: it cannot be read now. */
  async #looksLikeGpu(name: string): Promise<boolean | null> {
    const vendor = await readText(this.#root, join(folder, name, 'vendor'));
    if (vendor?.trim() !== nvidiaVendor) return vendor === null ? null : false;
    const code = await readText(this.#root, join(folder, name, 'class'));
    return code === null ? null : gpuClass.test(code);
  }
}

/** Bridges with source validation on; `null` where extended configuration space may not be read (not root). */
export async function readAcsBridges(root: string): Promise<string[] | null> {
  const found: string[] = [];
  let readable = false;
  for (const name of (await readNames(root, folder)) ?? []) {
    if (!bridgeClass.test((await readText(root, join(folder, name, 'class'))) ?? '')) continue;
    const config = await readConfig(join(root, folder, name, 'config'));
    if (!config) continue;
    readable = true;
    if (hasSourceValidation(config)) found.push(name);
  }
  return readable ? found : null;
}

const extendedSpaceAt = 0x100;
const acsCapability = 0x0d;
const maxCapabilities = 64;

async function readConfig(path: string): Promise<Buffer | null> {
  try {
    const config = await readFile(path);
    return config.length > extendedSpaceAt + 4 ? config : null;
  } catch {
    return null;
  }
}

/** Walks the list of extended capabilities; bit 0 of the ACS control word is source validation. */
export function hasSourceValidation(config: Buffer): boolean {
  let at = extendedSpaceAt;
  for (let n = 0; n < maxCapabilities && at >= extendedSpaceAt && at + 8 <= config.length; n++) {
    const header = config.readUInt32LE(at);
    if ((header & 0xffff) === acsCapability) return (config.readUInt16LE(at + 6) & 1) === 1;
    at = header >>> 20;
  }
  return false;
}
