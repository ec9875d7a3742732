/** The table of error codes and the table of src/domain/README.md say the same, both ways. */
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { errorCodes } from '../../src/domain/error-codes.js';
import { readText, sourceFiles } from '../support/source-tree.js';

interface Row {
  grpc: string;
  http: number;
  type: string;
  mayReroute: boolean;
}

/** Rows of the form | `code` | GRPC | http | type | yes/no | meaning |. */
function documented(): Map<string, Row & { meaning: string }> {
  const rows = readText('src/domain/README.md').matchAll(
    /^\| `([a-z-]+)` \| ([A-Z_]+) \| (\d{3}) \| (\w+) \| (yes|no) \| (.+) \|$/gm,
  );
  return new Map(
    [...rows].map(([, code = '', grpc = '', http, type = '', reroute, meaning = '']) => [
      code,
      { grpc, http: Number(http), type, mayReroute: reroute === 'yes', meaning },
    ]),
  );
}

const coded = new Map<string, Row>(Object.entries(errorCodes));

it('every code is documented as it is', () => {
  const rows = documented();
  for (const [code, entry] of coded)
    expect(
      rows.get(code),
      `add or correct the row of \`${code}\` in src/domain/README.md; error-codes.ts decides`,
    ).toMatchObject(entry);
});

it('every documented code exists', () => {
  const unknown = [...documented().keys()].filter((code) => !coded.has(code));
  expect(unknown, 'codes are API: put them back, or take the row out of src/domain/README.md').toEqual([]);
});

it('every status exists in its protocol', () => {
  for (const [code, { grpc, http }] of coded) {
    expect(status, code).toHaveProperty(grpc);
    expect(http, code).toBeGreaterThanOrEqual(400);
    expect(http, code).toBeLessThan(600);
  }
});

it('no source makes up a status of its own beside the table', () => {
  const wrong = sourceFiles()
    .filter((file) => !file.startsWith('rpc/') && !file.startsWith('sim/'))
    .filter((file) =>
      /\bstatus\.(?:UNAVAILABLE|NOT_FOUND|INVALID_ARGUMENT|INTERNAL|ABORTED)\b/.test(readText(`src/${file}`)),
    );
  expect(wrong, 'throw an InfernodeError with a code; grpc-status.ts maps it').toEqual([]);
});
