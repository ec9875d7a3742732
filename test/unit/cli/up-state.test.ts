/** Which directories `infernode up` takes, and what it removes from them: nothing that is not its own. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { resolveSimulatedNode } from '../../../src/cli/sim-command.js';
import { endLeftEngines } from '../../../src/cli/up/end-left-engines.js';
import {
  claimUpDirectory,
  clearUpDirectory,
  findRunningUp,
  releaseUpDirectory,
  writeUpState,
} from '../../../src/cli/up/up-state.js';
import { launchKeeper } from '../../../src/engine/launch-keeper.js';
import { nativePath } from '../../../src/native/native-paths.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { noProcessLeft } from '../../support/engine-fleet.js';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-up-state-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('takes an empty or a missing directory, one at a time, and its own again', () => {
  const given = join(directory, 'new');
  expect(claimUpDirectory(given)).toBe(given);
  expect(() => claimUpDirectory(given)).toThrow(/already used by a running `infernode up`/);
  mkdirSync(join(given, 'logs'));
  releaseUpDirectory(given);
  expect(claimUpDirectory(given)).toBe(given);
  clearUpDirectory(given);
  expect(existsSync(join(given, 'logs'))).toBe(false);
  releaseUpDirectory(given);
  expect(findRunningUp(given)).toBeNull();
});

it('`sim gpu` finds the nodes of the cluster whose directory it is given', () => {
  const none = () => resolveSimulatedNode({ stateDir: directory });
  expect(none).toThrow(`expected --state-dir to be that of a running \`infernode up\`, got "${directory}"`);
  const agent = { grpc: '', metrics: '', nvmlScenario: join(directory, 'node-0', 'scenario.json') };
  writeUpState(directory, {
    ready: true,
    gateway: '',
    coordinator: { grpc: '', metrics: '' },
    agents: [{ node: 'node-0', ...agent }],
    engines: [],
  });
  expect(resolveSimulatedNode({ stateDir: directory })).toBe(join(directory, 'node-0'));
});

it('refuses a directory of somebody else and leaves it as it is', () => {
  const logs = join(directory, 'logs');
  mkdirSync(logs);
  writeFileSync(join(logs, 'mine.log'), 'x');
  expect(() => claimUpDirectory(directory)).toThrow(/expected an empty directory.*got one that holds logs/);
  expect(existsSync(join(logs, 'mine.log'))).toBe(true);
});

it('a lock of a process that is gone does not block', () => {
  writeFileSync(join(directory, 'up.lock'), '999999999 1');
  expect(claimUpDirectory(directory)).toBe(directory);
});

it('engines that outlived both their `up` and their agent are ended before their directory goes', async () => {
  const runDir = join(directory, 'nodes', 'node-0', 'state', 'engines', 'engine-0', 'runs', '1');
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  await launchKeeper({
    keeperPath: nativePath('infernode-keeper'),
    runDir,
    argv: ['sleep', '600'],
    env: { PATH: process.env['PATH'] ?? '' },
    logMaxBytes: 65_536,
    cgroup: 'auto',
    holdName: `infernode-test-${process.pid}-left`,
    argvHash: 'abc',
    clock: systemClock,
  });
  await endLeftEngines(directory, systemClock);
  await noProcessLeft(directory);
  await endLeftEngines(directory, systemClock);
});
