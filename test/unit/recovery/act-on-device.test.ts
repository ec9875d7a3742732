/** What becomes of a wanted action: the hook with its facts, its time limit and its silence in a drill; the bound on resets. Real commands, no clock to wait for. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DeviceStatus } from '../../../src/domain/device.js';
import type { Action } from '../../../src/domain/health.js';
import type { HistoryNews } from '../../../src/domain/history.js';
import { DeviceActions, type ActionSettings } from '../../../src/recovery/act-on-device.js';
import { DriverLease } from '../../../src/recovery/driver-lease.js';
import { RecoveryMetrics } from '../../../src/recovery/recovery-metrics.js';
import type { RecoveryParts } from '../../../src/recovery/recovery-parts.js';
import { runCommand } from '../../../src/recovery/run-command.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus } from '../../support/node-fixtures.js';
import { eventually } from '../../support/running-up.js';

let directory: string;
let clock: ManualClock;
let notes: string[];
let registry: Registry;
const noted = (length: number) => eventually(`${length} notes`, () => notes.length === length);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-recovery-'));
  clock = new ManualClock();
  notes = [];
  registry = new Registry();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const script = (text: string): string[] => [process.execPath, '--eval', text];

function actions(change: Partial<ActionSettings> = {}): DeviceActions {
  const parts: RecoveryParts = {
    nodeName: 'gpu-a',
    driver: {
      release: async () => undefined,
      acquire: async () => ({ state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' }),
      processesOf: async () => [],
    },
    engines: {
      list: () => [],
      drainEngine: () => Promise.reject(new Error('no engine')),
      startEngine: () => Promise.reject(new Error('no engine')),
    },
    devices: { list: () => [], cordon: () => undefined, uncordon: () => undefined },
    probe: async () => ({ ok: true, reason: '' }),
    note: ({ reason }: HistoryNews) => void notes.push(reason),
    clock,
    logger: silentLogger(),
  };
  return new DeviceActions(parts, new DriverLease(parts), new RecoveryMetrics(registry, 'gpu-a'), {
    resetDevice: 'on',
    resetCommand: script(''),
    resetTimeoutMs: 10_000,
    drainTimeoutMs: null,
    maxResets: 2,
    hook: [],
    hookTimeoutMs: 10_000,
    drillNode: false,
    ...change,
  });
}

function wants(action: Action, drill = false): DeviceStatus {
  const condition = {
    check: 'xid',
    severity: 'fatal' as const,
    action,
    advice: null,
    reason: 'Xid 79',
    sinceMs: 0,
  };
  return {
    ...aDeviceStatus(0),
    ...{ health: 'unhealthy' as const, severity: 'fatal' as const, action, reason: 'Xid 79' },
    conditions: [{ ...condition, ...(drill ? { drill } : {}) }],
  };
}

const well = (): DeviceStatus => ({ ...aDeviceStatus(0), health: 'healthy', action: 'none', conditions: [] });

const count = async (outcome: string, action: string): Promise<number> => {
  const metric = await registry.getSingleMetric('infernode_recovery_actions_total')!.get();
  return metric.values.find(({ labels }) => labels.outcome === outcome && labels.action === action)!.value;
};

it('the hook is run once per episode with the facts in its environment, and with nothing else of the agent', async () => {
  process.env.INFERNODE_SECRET_OF_THE_AGENT = 'x';
  const file = join(directory, 'facts.json');
  const hook = script(`require('fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.env))`);
  const acting = actions({ hook });
  const device = wants('reboot-node');
  acting.consider([device]);
  acting.consider([device]);
  await noted(1);
  await acting.close();
  delete process.env.INFERNODE_SECRET_OF_THE_AGENT;
  const facts = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  expect(facts).toMatchObject({
    ...{
      INFERNODE_NODE: 'gpu-a',
      INFERNODE_ACTION: 'reboot-node',
      INFERNODE_CHECK: 'xid',
      INFERNODE_DRILL: '0',
    },
    INFERNODE_DEVICE_UUID: device.identity.uuid,
  });
  expect(facts.INFERNODE_SECRET_OF_THE_AGENT).toBeUndefined();
  expect(notes).toEqual(['reboot-node, done: GPU 0 the hook ended with exit code 0']);
  expect(await count('done', 'reboot-node')).toBe(1);
});

it.each([
  ['fails', () => script('console.error("no pager"); process.exit(3)'), 'exit code 3: no pager'],
  ['cannot be started', () => [join(directory, 'absent')], 'cannot be started'],
])('a hook that %s says so', async (_how, hook, said) => {
  const acting = actions({ hook: hook() });
  acting.consider([wants('replace-hardware')]);
  await noted(1);
  expect(notes[0]).toContain(said);
  expect(await count('failed', 'replace-hardware')).toBe(1);
  await acting.close();
});

it('an agent that ends finishes what runs, and tells and counts what it has not begun', async () => {
  const file = join(directory, 'go');
  const begun = join(directory, 'begun');
  const hook = script(
    `const fs = require('fs');
     fs.writeFileSync(${JSON.stringify(begun)}, '');
     setInterval(() => fs.existsSync(${JSON.stringify(file)}) && process.exit(0), 5);`,
  );
  const acting = actions({ hook });
  const second = { ...wants('reset-device'), identity: aDeviceStatus(1).identity };
  acting.consider([wants('reboot-node'), second]);
  await eventually('the hook runs', () => existsSync(begun));
  const closed = acting.close();
  writeFileSync(file, '');
  await closed;
  expect(notes.map((note) => note.split(':')[0])).toEqual(['reboot-node, done', 'reset-device, dropped']);
  expect(await count('dropped', 'reset-device')).toBe(1);
});

it('a drill runs no hook and no reset: it says what it would do', async () => {
  const file = join(directory, 'ran');
  const hook = script(`require('fs').writeFileSync(${JSON.stringify(file)}, '')`);
  const acting = actions({ hook, resetCommand: hook });
  acting.consider([wants('reboot-node', true)]);
  acting.consider([wants('reset-device', true)]);
  await acting.close();
  expect(notes).toHaveLength(2);
  expect(notes.every((note) => note.includes('dry-run') && note.includes('would'))).toBe(true);
  expect(() => readFileSync(file)).toThrow();
});

it('a device is reset as often as allowed in 24 hours, then given up, and again the day after', async () => {
  const acting = actions({ maxResets: 2 });
  const again = async (expected: number): Promise<void> => {
    acting.consider([wants('reset-device')]);
    await noted(expected);
    acting.consider([well()]);
  };
  await again(1);
  await again(2);
  await again(3);
  expect(notes.map((note) => note.split(':')[0])).toEqual([
    'reset-device, done',
    'reset-device, done',
    'reset-device, given-up',
  ]);
  clock.advance(24 * 3_600_000);
  await again(4);
  expect(notes[3]).toContain('reset-device, done');
  expect(await count('given-up', 'reset-device')).toBe(1);
  await acting.close();
});

it('a command that does not end is ended with all that it started, at its limit', async () => {
  const file = join(directory, 'pid');
  const argv = script(
    `const { spawn } = require('child_process');
     const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)']);
     require('fs').writeFileSync(${JSON.stringify(file)}, String(child.pid));
     setInterval(() => {}, 1000);`,
  );
  const running = runCommand({ argv, env: {}, timeoutMs: 5000, clock });
  await eventually('both run', () => existsSync(file) && Number(readFileSync(file, 'utf8')) > 0);
  clock.advance(5000);
  expect(await running).toMatchObject({ ok: false, outcome: 'timed out after 5 s' });
  const grandchild = Number(readFileSync(file, 'utf8'));
  await eventually('the grandchild is gone', () => {
    try {
      return /^State:\s+Z/m.test(readFileSync(`/proc/${grandchild}/status`, 'utf8'));
    } catch {
      return true;
    }
  });
});

it('an unknown device keeps its episode, and a device that is gone forgets it', async () => {
  const acting = actions({ hook: script('') });
  acting.consider([wants('reboot-node')]);
  await noted(1);
  acting.consider([{ ...wants('none'), health: 'unknown' }]);
  acting.consider([wants('reboot-node')]);
  expect(notes).toHaveLength(1);
  acting.consider([]);
  acting.consider([wants('reboot-node')]);
  await noted(2);
  await acting.close();
});
