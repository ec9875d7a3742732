/** PCI addresses in every notation that drivers, sysfs, lspci and the kernel log use. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canonicalPciBusId } from '../../../src/domain/canonical-pci-bus-id.js';
import { parseXidMessage } from '../../../src/health/parse-xid-message.js';
import { bridgesOf } from '../../../src/node/pci-bridges.js';

const notations = [
  ['without domain', 'AF:00.0', '00000000:af:00.0'],
  ['without domain and function', 'af:00', '00000000:af:00.0'],
  ['domain of 4 digits', '0000:af:00.0', '00000000:af:00.0'],
  ['domain of 4 digits, no function', '0000:af:00', '00000000:af:00.0'],
  ['domain of 8 digits', '00000000:af:00.0', '00000000:af:00.0'],
  ['domain of 8 digits, no function', '00000000:af:00', '00000000:af:00.0'],
  ['upper case', '0000:AF:1F.3', '00000000:af:1f.3'],
  ['domain of 5 digits', '10000:E1:00.0', '00010000:e1:00.0'],
  ['another domain', '0008:01:00.0', '00000008:01:00.0'],
] as const;

it.each(notations)('a PCI address, %s: %s', (_, raw, canonical) => {
  expect(canonicalPciBusId(raw)).toBe(canonical);
  expect(canonicalPciBusId(canonical)).toBe(canonical);
});

it.each(notations)('an Xid at a PCI address, %s: %s', (_, raw, canonical) => {
  for (const prefix of ['', 'PCI:'])
    expect(parseXidMessage(`NVRM: Xid (${prefix}${raw}): 79, x`)).toMatchObject({
      pciBusId: canonical,
      code: 79,
    });
});

it.each([
  ['0000:af:00.0', '00000000:af:00.0'],
  ['10000:e1:00.0', '00010000:e1:00.0'],
])('the bridge above %s in sysfs is found by the canonical PCI address', (name, canonical) => {
  const root = mkdtempSync(join(tmpdir(), 'infernode-pci-'));
  try {
    const bridge = name.replace(/:..:/, ':00:');
    mkdirSync(join(root, 'devices', bridge, name), { recursive: true });
    symlinkSync(join(root, 'devices', bridge, name), join(root, name));
    expect(bridgesOf(canonical, root)).toEqual([canonicalPciBusId(bridge)]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
