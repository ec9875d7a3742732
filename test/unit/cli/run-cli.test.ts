/** What a person reads when a command cannot do its work, and the exit code that a script sees. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { status, type ServiceError } from '@grpc/grpc-js';
import { muteIpServerName } from '../../../src/cli/mute-ip-server-name.js';
import { runCli } from '../../../src/cli/run-cli.js';
import { callError } from '../../../src/rpc/unary-call.js';

let stderr: string;
let exitCode: typeof process.exitCode;
beforeEach(() => {
  stderr = '';
  exitCode = process.exitCode;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = exitCode;
});

it('a peer that does not answer is named without the noise of the transport, with what to look at', async () => {
  await runCli(['node', 'infernode', 'engines', 'list', '--agent', '127.0.0.1:1']);
  expect(process.exitCode).toBe(1);
  expect(stderr).toMatch(/^infernode: 127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1\n/);
  expect(stderr).toContain('systemctl status infernode-agent');
  expect(stderr).not.toMatch(/Resolution note|Last error/);
});

it('wrong input is exit code 2 and one sentence', async () => {
  await runCli(['node', 'infernode', 'config', 'check', 'nobody']);
  expect(process.exitCode).toBe(2);
  expect(stderr).toBe('infernode: expected "agent" or "coordinator", got "nobody"\n');
});

it('a configuration that is not valid is told to a script as data', async () => {
  let stdout = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  const check = ['node', 'infernode', 'config', 'check', 'agent', '--json'];
  await runCli([...check, '--set', 'listen.control=x', '--set', 'stateDir=']);
  expect(process.exitCode).toBe(2);
  const { valid, problems } = JSON.parse(stdout) as { valid: boolean; problems: string[] };
  expect(valid).toBe(false);
  expect(problems).toContainEqual(expect.stringMatching(/listen\.control: expected HOST:PORT/));
  process.exitCode = 0;
  stdout = '';
  await runCli(check);
  expect(JSON.parse(stdout)).toEqual({ valid: true, problems: [] });
});

it("a peer's own words stay as they are", () => {
  const error = { code: status.NOT_FOUND, details: 'no model "x" is served' } as ServiceError;
  expect(callError('a:1', error).message).toBe('a:1: no model "x" is served');
});

it('of all warnings only that of an address as a server name goes', () => {
  const emitted: unknown[][] = [];
  const target = { emitWarning: (...args: unknown[]) => void emitted.push(args) };
  muteIpServerName(target);
  target.emitWarning('an address', 'DeprecationWarning', 'DEP0123');
  target.emitWarning('an address', { type: 'DeprecationWarning', code: 'DEP0123' });
  target.emitWarning('something else', 'DeprecationWarning', 'DEP0124');
  target.emitWarning('plain');
  expect(emitted).toEqual([['something else', 'DeprecationWarning', 'DEP0124'], ['plain']]);
});
