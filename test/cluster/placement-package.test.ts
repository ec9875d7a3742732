/** `infernode/placement` as who installs the package gets it: the built files, by the package's name, in a process of its own. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { repositoryRoot } from '../support/source-tree.js';

const consumer = `
import { createPlacement } from 'infernode/placement';
const placement = createPlacement();
placement.join('a/0', { capacityBlocks: 100 });
placement.join('b/0', { capacityBlocks: 100, weight: 2 });
const chain = [1, 2, 2 ** 53 - 1];
const first = placement.place({ id: 'x', tokens: 1500, chain }, 0);
placement.firstToken('x', 5, 0);
placement.done('x', 9);
const again = placement.place({ id: 'y', tokens: 2000, chain: [...chain, 4] }, 10);
placement.observe({ id: 'z', tokens: 512, chain: [9] }, 'a/0', 11);
placement.done('y', 12);
placement.done('z', 12);
placement.done('z', 13);
placement.leave(first);
const other = placement.place({ id: 'w', tokens: 1500, chain }, 14);
placement.leave(other);
console.log(JSON.stringify({ first, again, other, none: placement.place({ id: 'v', tokens: 1, chain: [] }, 15) }));
`;

it('has the interface that replays are written against', async () => {
  const args = ['--input-type=module', '--eval', consumer];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repositoryRoot });
  const { first, again, other, none } = JSON.parse(stdout) as Record<string, string | null>;
  expect(['a/0', 'b/0']).toContain(first);
  expect(again).toBe(first);
  expect([first, other].sort()).toEqual(['a/0', 'b/0']);
  expect(none).toBeNull();
});
