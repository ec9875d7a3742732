// Programs that are not what a template takes them for: nothing of them reaches a shell, and none holds up the agent.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.js';
import { askProgram } from '../../../src/engine/ask-program.js';
import { VllmPrograms } from '../../../src/engine/vllm-program.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-program-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function program(name: string, script: string, mode = 0o755): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, mode);
  return path;
}

const learn = (path: string, ...words: string[]) =>
  new VllmPrograms(systemClock).of([path, ...words], process.env);

describe('a program that', () => {
  it('is missing is named', async () => {
    await expect(learn(join(directory, 'none'))).rejects.toThrow(
      /program ".*\/none" does not exist; install it or name its full path/,
    );
    await expect(learn('no-such-vllm')).rejects.toThrow(/"no-such-vllm" does not exist on the PATH/);
  });

  it('may not be run is named', async () => {
    await expect(learn(program('plain', 'echo 0.26.0', 0o644))).rejects.toThrow(/is not executable; set its/);
    await expect(learn(directory)).rejects.toThrow(/does not exist/);
  });

  it('prints 1 GiB is ended early', async () => {
    const flood = program('flood', 'exec head -c 1073741824 /dev/zero');
    await expect(learn(flood)).rejects.toThrow(/print a short answer, got more than 4 MiB/);
  });

  it('fails or is no program at all tells nothing, and is asked again at the next start', async () => {
    const failing = program('failing', 'echo broken >&2; exit 3');
    expect(await learn(failing)).toMatchObject({ version: null, flags: null });
    expect((await learn(failing)).unknown).toMatch(/ended with 3: broken/);
    const binary = join(directory, 'binary');
    writeFileSync(binary, '\u0000\u0001');
    chmodSync(binary, 0o755);
    expect((await learn(binary)).unknown).not.toBe('');
  });

  it('never answers is ended with all that it started', async () => {
    const mark = join(directory, 'child');
    const slow = program('slow', `sleep 600 & echo $! > ${mark}; wait`);
    let expire = (): void => undefined;
    const clock = {
      ...systemClock,
      after: (_: number, call: () => void) => ((expire = call), { cancel: () => undefined }),
    };
    const asked = askProgram({ argv: [slow], env: process.env, clock, timeLimitMs: 1000 });
    while (!existsSync(mark)) await new Promise((resolve) => setImmediate(resolve));
    expire();
    expect(await asked).toEqual({ kind: 'silent', reason: `"${slow}" did not answer within 1000 ms` });
  });

  it('is asked once per binary, and again when the file is another one', async () => {
    const count = join(directory, 'count');
    const script = (version: string): string =>
      `echo x >> ${count}; [ "$1" = --version ] && echo ${version} || echo "  --flag"`;
    const programs = new VllmPrograms(systemClock);
    const path = program('counted', script('0.26.0'));
    const answers = await Promise.all([1, 2, 3].map(() => programs.of([path], process.env)));
    expect(answers.map(({ version }) => version)).toEqual(['0.26.0', '0.26.0', '0.26.0']);
    // One question for the version, one for the flags.
    expect(readFileSync(count, 'utf8')).toBe('x\nx\n');
    program('counted', script('0.27.10'));
    expect((await programs.of([path], process.env)).version).toBe('0.27.10');
  });
});

it('shell metacharacters are letters', async () => {
  const target = join(directory, 'pwned');
  const echo = program('echo', 'printf "%s\\n" "$@"');
  const answer = await askProgram({
    argv: [echo, `$(touch ${target})`, `; touch ${target}`, `\`touch ${target}\``, '*', '$HOME'],
    env: process.env,
    clock: systemClock,
    timeLimitMs: 30_000,
  });
  expect(answer).toMatchObject({
    text: `$(touch ${target})\n; touch ${target}\n\`touch ${target}\`\n*\n$HOME\n`,
  });
  expect(existsSync(target)).toBe(false);
});
