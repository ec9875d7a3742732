/**
 * Bearer keys of clients. The file holds SHA-256 digests only, so that reading it gives nobody a key:
 *
 *     keys:
 *       - { id: team-a, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }
 *
 * `printf %s "$KEY" | sha256sum` makes an entry. Keys are found by digest: the comparison tells an attacker nothing,
 * because the digest's prefix is not his to choose.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { InfernodeError, messageOf } from '../domain/error-codes.js';

const fileSchema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[\w.@-]{1,64}$/, 'expected 1 to 64 letters, digits or . _ @ -'),
        sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits'),
      }),
    )
    .min(1)
    .max(100_000),
});

export class ApiKeys {
  readonly #idByDigest: ReadonlyMap<string, string>;

  constructor(keys: readonly { id: string; sha256: string }[]) {
    this.#idByDigest = new Map(keys.map(({ id, sha256 }) => [sha256.toLowerCase(), id]));
  }

  /** Throws `config-invalid` that names the file and the entry. */
  static fromFile(file: string): ApiKeys {
    let content: unknown;
    try {
      content = parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new InfernodeError('config-invalid', `gateway.keys.file ${file}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    const result = fileSchema.safeParse(content);
    if (result.success) return new ApiKeys(result.data.keys);
    const issue = result.error.issues[0];
    throw new InfernodeError(
      'config-invalid',
      `gateway.keys.file ${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
    );
  }

  get size(): number {
    return this.#idByDigest.size;
  }

  /** Id of the key in an `Authorization` header, or `null`. */
  identify(authorization: string | undefined): string | null {
    const match = /^Bearer +(\S+)$/i.exec(authorization ?? '');
    return match?.[1] === undefined ? null : (this.#idByDigest.get(hash('sha256', match[1], 'hex')) ?? null);
  }
}
