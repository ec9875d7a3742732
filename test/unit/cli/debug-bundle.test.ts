/** A bundle is bounded, says what it lacks, and can be read by tar; no planted secret is in it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { collectBundle } from '../../../src/cli/debug/collect-bundle.js';
import { tarGz } from '../../../src/cli/debug/tar-archive.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-bundle-'));
afterAll(() => rmSync(directory, { recursive: true }));

it('keeps the end of what is long, names what failed, and masks in both', async () => {
  const { files, contents } = await collectBundle(
    [
      { name: 'long.log', read: () => `${'x'.repeat(3 * 1024 * 1024)} planted-secret the end` },
      { name: 'broken.json', read: () => Promise.reject(new Error('planted-secret was refused')) },
      ...Array.from({ length: 60 }, (_, i) => ({ name: `more-${i}`, read: () => 'm' })),
    ],
    ['planted-secret'],
  );
  const long = files.find(({ name }) => name === 'long.log')?.text ?? '';
  expect(long.length).toBe(1024 * 1024);
  expect(long.endsWith('[masked] the end')).toBe(true);
  expect(contents[0]).toMatch(/^long.log {2}1048576 bytes, the last of/);
  expect(contents[1]).toBe('broken.json  absent: [masked] was refused');
  expect(files).toHaveLength(40);
  expect(contents.at(-1)).toBe('more-59  absent: more than 40 parts');
  expect(JSON.stringify(files)).not.toContain('planted-secret');
});

it('the archive is one that tar reads', () => {
  const file = join(directory, 'a.tar.gz');
  writeFileSync(
    file,
    tarGz(
      [
        { name: 'CONTENTS', text: 'é'.repeat(700) },
        { name: 'empty', text: '' },
      ],
      1_700_000_000_000,
    ),
  );
  const tar = (...args: string[]) => execFileSync('tar', args, { encoding: 'utf8' });
  expect(tar('tzf', file).trim().split('\n')).toEqual(['CONTENTS', 'empty']);
  expect(tar('xzOf', file, 'CONTENTS')).toBe('é'.repeat(700));
});
