/**
 * The units as an operator installs them, read by systemd itself (Debian package `systemd`): no unknown directive, no missing
 * value, and an exposure of at most 3.0 of 10 by its own table, offline.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/source-tree.js';

const units = join(repositoryRoot, 'deploy/systemd');
const root = mkdtempSync(join(tmpdir(), 'infernode-units-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy whose program exists on this machine, with the drop-ins given. */
function installed(unit: string, dropIns: readonly string[] = []): string {
  const directory = mkdtempSync(join(root, 'system-'));
  const path = join(directory, unit);
  const text = readFileSync(join(units, unit), 'utf8');
  writeFileSync(path, text.replace('ExecStart=/usr/bin/infernode', `ExecStart=${process.execPath}`));
  if (dropIns.length > 0) mkdirSync(`${path}.d`);
  for (const name of dropIns) cpSync(join(units, name), join(`${path}.d`, name));
  return path;
}

const analyze = (...args: string[]) =>
  execFileSync('systemd-analyze', ['--no-pager', ...args], { encoding: 'utf8', stdio: 'pipe' });

const services = readdirSync(units).filter((name) => name.endsWith('.service'));

it('there is a unit for each process', () => {
  expect(services.sort()).toEqual(['infernode-agent.service', 'infernode-coordinator.service']);
});

describe.each(services)('%s', (unit) => {
  it.each([[[]], [['tls.conf']], [['tls.conf', 'reset.conf']], [['agents-tls.conf']]])(
    'is understood by systemd, drop-ins %j',
    (dropIns) => {
      expect(analyze('verify', installed(unit, dropIns))).toBe('');
    },
  );

  it('is exposed by at most 3.0 of 10', () => {
    // The command fails beyond the threshold, which it takes in tenths.
    const report = analyze('security', '--offline=true', '--threshold=30', installed(unit));
    expect(report).toMatch(/Overall exposure level for \S+: [0-3]\.\d/);
  });

  it('has a verification that can fail', () => {
    const path = installed(unit);
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n[Service]\nExecStart=/nowhere\n`);
    expect(() => analyze('verify', path)).toThrow();
  });
});
