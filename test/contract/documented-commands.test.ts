/** What the guides tell people to type exists, and the configurations that they show are valid. */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../../src/cli/create-program.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { commandLinesIn, faultOf } from '../support/command-lines.js';
import { readText, repositoryRoot } from '../support/source-tree.js';

const guides = [
  'README.md',
  'deploy/README.md',
  ...readdirSync(`${repositoryRoot}/docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const program = createProgram();

it.each(guides)('%s', (guide) => {
  const shell = [...readText(guide).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text).join('\n');
  for (const line of commandLinesIn(shell)) expect(faultOf(program, line)).toBe('');
  for (const [, file] of shell.matchAll(/\b(deploy\/[\w./-]+\.\w+)/g))
    expect(readText(file ?? ''), file).not.toBe('');
});

it('the bare-metal guide has configurations that are valid', () => {
  const [agent, coordinator] = [
    ...readText('docs/install-bare-metal.md').matchAll(/```yaml\n([\s\S]*?)```/g),
  ];
  expect(agentSchema.safeParse(parse(agent?.[1] ?? '')).error).toBeUndefined();
  expect(coordinatorSchema.safeParse(parse(coordinator?.[1] ?? '')).error).toBeUndefined();
});
