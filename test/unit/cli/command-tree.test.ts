/** The commands agree with each other: whoever calls a listener can prove himself to it, and every example in a help can be typed. */
import { expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/create-program.js';
import { manPage } from '../../../src/cli/man-page.js';
import { commandLinesIn, commandsOf, faultOf } from '../../support/command-lines.js';

const program = createProgram();
const tree = commandsOf(program);
const flagsOf = (command: (typeof tree)[number]['command']) => command.options.map(({ long }) => long);

it('every command that calls an agent or a coordinator takes the same address and TLS flags', () => {
  const callers = tree.filter(({ command }) =>
    command.options.some(({ flags }) => /^--(agent|coordinator) <host:port>$/.test(flags)),
  );
  expect(callers.length).toBeGreaterThan(10);
  for (const { path, command } of callers)
    expect(flagsOf(command), path.join(' ')).toEqual(
      expect.arrayContaining(['--tls-ca', '--tls-cert', '--tls-key', '--token-file', '--tls-server-name']),
    );
});

it('every command says what it does, and every example in a help exists', () => {
  for (const { path, command } of tree) {
    expect(command.description(), path.join(' ')).not.toBe('');
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    for (const line of commandLinesIn(help.replace(/^Usage:.*$/m, '')))
      expect(faultOf(program, line)).toBe('');
  }
});

it('every command shows by an example how it is typed, its exit codes, and no default that goes without saying', () => {
  for (const { path, command } of tree.filter(({ command }) => command.commands.length === 0)) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    const here = path.join(' ');
    if (path[1] !== 'sim') expect(commandLinesIn(help.replace(/^Usage:.*$/m, '')), here).not.toEqual([]);
    expect(help, here).toContain('Exit codes: 0 done');
    expect(help, here).not.toMatch(/default: (\[\]|false)/);
  }
});

it('whatever answers a question answers a script too', () => {
  // These run on, write a file, or print what is read by a shell or by eye.
  const others =
    /^infernode (agent|coordinator|top|completion|certs init|placement replay|kv vectors|sim engine|engines logs)$/;
  for (const { path, command } of tree.filter(({ command }) => command.commands.length === 0))
    if (!others.test(path.join(' '))) expect(flagsOf(command), path.join(' ')).toContain('--json');
});

it('the man page has every command with every option, and no help twice', () => {
  const page = manPage(createProgram());
  for (const { path, command } of tree.slice(1)) {
    const title = `.SS "${path.join(' ').replaceAll('-', '\\-')}"`;
    expect(page.split(title), title).toHaveLength(2);
    for (const { flags } of command.options) expect(page).toContain(`.B ${flags.replaceAll('-', '\\-')}`);
  }
  expect(page.match(/Exit codes/g)).toBeNull();
  expect(page).toContain('INFERNODE_CLIENT_CA');
  expect(page).toContain('default: operator: and your user name');
});

it('the check of examples sees a wrong command and a wrong option', () => {
  expect(faultOf(program, 'infernode conjure 3')).toContain('no command conjure');
  expect(faultOf(program, 'infernode status --colour')).toContain('no option --colour');
  expect(commandLinesIn('  $ npx infernode events --json | jq .xid\n')).toEqual(['infernode events --json']);
});
