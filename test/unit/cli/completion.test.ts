/** Completion scripts are the command tree: bash runs its own, the others are held against the same words. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { completionScript, completionShells } from '../../../src/cli/completion-command.js';
import { createProgram } from '../../../src/cli/create-program.js';
import { commandsOf } from '../../support/command-lines.js';

const program = createProgram();

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=(infernode ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_infernode
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

it('bash offers commands, then what belongs to the command, also behind options and arguments', () => {
  expect(offered('')).toEqual(expect.arrayContaining(['up', 'status', 'doctor', 'completion']));
  expect(offered('stat')).toEqual(['status']);
  expect(offered('engines', 're')).toEqual(['restart']);
  expect(offered('engines', 'restart', 'chat-0', '--dead')).toEqual(['--deadline']);
  expect(offered('completion', '')).toEqual(expect.arrayContaining([...completionShells]));
  expect(offered('status', '--tls-c')).toEqual(['--tls-ca', '--tls-cert']);
});

it.each(completionShells)('%s knows every command and every long option', (shell) => {
  const script = completionScript(program, shell);
  for (const { path, command } of commandsOf(program)) {
    expect(script).toContain(`${path.join(' ')}`);
    for (const { long } of command.options) if (long) expect(script, path.join(' ')).toContain(long);
  }
});
