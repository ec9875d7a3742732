import { realpathSync } from 'node:fs';
import { canonicalPciBusId } from '../domain/canonical-pci-bus-id.js';

/**
 * Bridges above a PCI device, nearest first, as `dddddddd:bb:dd.f`: sysfs nests a device in the directory of its bridge. Empty where
 * sysfs does not know the device, as in a simulation.
 */
export function bridgesOf(pciBusId: string, root = '/sys/bus/pci/devices'): string[] {
  // sysfs writes four digits of domain, and more only where they are needed.
  const name = pciBusId.replace(/^0{1,4}(?=[0-9a-f]{4,7}:)/, '');
  try {
    const parts = realpathSync(`${root}/${name}`).split('/');
    const addresses = parts.filter((part) => /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(part));
    return addresses.slice(0, -1).reverse().map(canonicalPciBusId);
  } catch {
    return [];
  }
}
