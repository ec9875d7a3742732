/** Completion scripts in the shells themselves (Debian's `zsh` and `fish`): what Tab makes of the beginning of a command. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completionScript } from '../../src/cli/completion-command.js';
import { createProgram } from '../../src/cli/create-program.js';
import { manPage } from '../../src/cli/man-page.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-shells-'));
const zshScript = join(directory, '_infernode');
const fishScript = join(directory, 'infernode.fish');
beforeAll(() => {
  writeFileSync(zshScript, completionScript(createProgram(), 'zsh'));
  writeFileSync(fishScript, completionScript(createProgram(), 'fish'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const env = { PATH: process.env['PATH'], HOME: directory, XDG_CONFIG_HOME: directory, TERM: 'dumb' };

function fish(line: string): string[] {
  const script = `source ${fishScript}; complete -C '${line}'`;
  return execFileSync('fish', ['--no-config', '-c', script], { env, encoding: 'utf8' })
    .split('\n')
    .map((one) => one.split('\t')[0] ?? '')
    .filter(Boolean);
}

/** An interactive zsh on a terminal of its own, in which the line is typed and Tab pressed; the line as it stands then. */
function zsh(line: string, folderOfFunction?: string): string {
  const install = folderOfFunction
    ? `fpath=(${folderOfFunction} $fpath); autoload -U compinit; compinit -u -D`
    : `autoload -U compinit; compinit -u -D; source ${zshScript}`;
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PROMPT=; unsetopt zle_bracketed_paste; bindkey "^I" complete-word; ${install}; show() { print -r -- "LINE=$BUFFER="; BUFFER=; zle accept-line }; zle -N show; bindkey "^X" show; print READY-$((1+1))'
    zpty -r -m shell out '*READY-2*'
    zpty -w -n shell ${JSON.stringify(line)}$'\\t\\C-x'
    zpty -r -m shell out '*LINE=*=*'
    print -r -- $out
    zpty -d shell`;
  const out = execFileSync('zsh', ['-f', '-c', script], { env, encoding: 'utf8', timeout: 30_000 });
  return /LINE=(.*?)=/.exec(out)?.[1]?.trimEnd() ?? out;
}

const completions = [
  ['infernode stat', 'infernode status'],
  ['infernode engines sl', 'infernode engines sleep'],
  ['infernode engines restart chat-0 --dead', 'infernode engines restart chat-0 --deadline'],
  ['infernode completion fi', 'infernode completion fish'],
  ['infernode sim gpu cr', 'infernode sim gpu create'],
] as const;

describe('fish', () => {
  it.each(completions)('%s', (typed, completed) => {
    expect(fish(typed)).toContain(completed.split(' ').at(-1));
  });
  it('offers the commands of a group and of nothing else', () => {
    expect(fish('infernode debug ')).toEqual(expect.arrayContaining(['bundle', '--help']));
    expect(fish('infernode debug ')).not.toContain('status');
  });
});

describe('zsh', () => {
  it.each(completions)('%s', (typed, completed) => {
    expect(zsh(typed)).toBe(completed);
  });
  it('also as a function in a folder of fpath', () => {
    expect(zsh('infernode doc', directory)).toBe('infernode doctor');
  });
});

it('groff finds nothing to complain about in the man page', () => {
  const run = (page: string) =>
    execFileSync('bash', ['-c', 'groff -man -Tutf8 -ww -Wbreak -z - 2>&1'], {
      input: page,
      encoding: 'utf8',
    });
  expect(run(manPage(createProgram()))).toBe('');
  expect(run('.TH X 1\n.nonsense\n')).toContain('nonsense');
});
