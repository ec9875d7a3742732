/**
 * One notation for a PCI address, `dddddddd:bb:dd.f` in lower case, so that the driver, sysfs and the kernel log mean the same device by it:
 * `61:00`, `0000:61:00.0` and `00000000:61:00.0` become `00000000:61:00.0`. Without a domain it is the first, without a function the 0th.
 */
export function canonicalPciBusId(raw: string): string {
  const parts = raw.trim().toLowerCase().split(':');
  const [slot = '00', fn = '0'] = (parts.pop() ?? '').split('.');
  const bus = parts.pop() ?? '00';
  const domain = parts.pop() ?? '0';
  return `${domain.padStart(8, '0')}:${bus}:${slot}.${fn}`;
}
