/**
 * What systemd hears of a `Type=notify` service. A listener on a real datagram socket stands in for it: the coordinator says
 * when it serves, feeds the watchdog from its main loop, announces a reload and its end, and lets no child speak in its name.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ServiceNotifier } from '../../src/native/service-notifier.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { eventually, mainFile } from '../support/running-up.js';

const listenerProgram = new URL('../../build/Release/infernode-notify-listener', import.meta.url).pathname;

let directory: string;
let socket: string;
let heard: string[];
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-notify-'));
  socket = join(directory, 'notify.sock');
  heard = [];
  const listener = spawn(listenerProgram, [socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(listener);
  createInterface({ input: listener.stdout }).on('line', (line) => heard.push(line));
  await eventually('the listener is there', () => heard.includes('listening'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const isHeard = (start: string) => heard.some((line) => line.startsWith(start));

it('hears READY, WATCHDOG, RELOADING, a refused configuration, and STOPPING with the time a drain may take', async () => {
  const file = join(directory, 'coordinator.yaml');
  const free = '{ gateway: 127.0.0.1:0, control: 127.0.0.1:0, probe: 127.0.0.1:0, metrics: 127.0.0.1:0 }';
  const valid = `listen: ${free}\ngateway: { limits: { drainTimeoutMs: 5000 } }\n`;
  writeFileSync(file, valid);
  const coordinator = spawn(process.execPath, [mainFile, 'coordinator', '--config', file], {
    stdio: 'ignore',
    env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' },
  });
  children.push(coordinator);
  const exited = new Promise((resolve) => coordinator.once('exit', resolve));
  await eventually('ready', () => isHeard('READY=1 STATUS=serving'));
  await eventually('the watchdog is fed', () => heard.filter((line) => line === 'WATCHDOG=1').length >= 2);
  writeFileSync(file, `${valid}silentAfterMs: 9000\n`);
  coordinator.kill('SIGHUP');
  await eventually('what a reload cannot change is told', () =>
    isHeard('READY=1 STATUS=serving; restart it to change silentAfterMs'),
  );
  writeFileSync(file, 'nonsense: true\n');
  coordinator.kill('SIGHUP');
  await eventually('the reload is refused', () => isHeard('READY=1 STATUS=serving by the old configuration'));
  expect(heard.find((line) => line.startsWith('RELOADING=1'))).toMatch(/^RELOADING=1 MONOTONIC_USEC=\d+$/);
  coordinator.kill('SIGTERM');
  expect(await exited).toBe(0);
  await eventually('the end is announced', () => isHeard('STOPPING=1 STATUS=ending: SIGTERM'));
  // The 5 s of the drain and what closing takes beside it.
  await eventually('the limit is pushed out', () => isHeard('EXTEND_TIMEOUT_USEC=15000000'));
});

it('takes the variables from the environment, and heeds a watchdog that is meant for another process', async () => {
  const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1', OTHER: 'kept' };
  const notifier = new ServiceNotifier({ clock: systemClock, logger: silentLogger(), env, pid: 2 });
  expect(env).toEqual({ OTHER: 'kept' });
  notifier.ready('one\ntwo');
  notifier.status('three');
  await eventually('both are heard', () => isHeard('STATUS=three'));
  expect(heard).toEqual(['listening', 'READY=1 STATUS=one two', 'STATUS=three']);
  notifier.close();
});

it('does nothing without a socket, and survives one that is gone', () => {
  const none = new ServiceNotifier({ clock: systemClock, logger: silentLogger(), env: {} });
  none.ready('x');
  const env = { NOTIFY_SOCKET: join(directory, 'gone') };
  new ServiceNotifier({ clock: systemClock, logger: silentLogger(), env }).ready('x');
  expect(heard).toEqual(['listening']);
});
