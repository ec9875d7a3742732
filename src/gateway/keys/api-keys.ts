/**
 * Bearer keys of clients. Only SHA-256 digests are kept, so that reading the file or the store gives nobody a key:
 *
 *     keys:
 *       - { id: team-a, sha256: 9f86d0..., tenant: acme, priority: high, requestsPerMinute: 600, tokensPerMinute: 200000 }
 *     tenants:
 *       - { id: acme, tokensPerMinute: 1000000 }
 *
 * `printf %s "$KEY" | sha256sum` makes an entry. Keys are found by digest: the comparison tells an attacker nothing,
 * because the digest's prefix is not his to choose.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { InfernodeError, messageOf } from '../../domain/error-codes.js';
import { priorities, type Priority } from '../../domain/priority.js';
import type { RateScope } from './rate-store.js';

const name = z.string().regex(/^[\w.@-]{1,64}$/, 'expected 1 to 64 letters, digits or . _ @ -');
const perMinute = {
  requestsPerMinute: z.int().min(1).optional(),
  tokensPerMinute: z.int().min(1).optional(),
};

const keySchema = z.strictObject({
  id: name,
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits'),
  tenant: name.optional(),
  /** What its requests are, and the most urgent they can ask to be. */
  priority: z.enum(priorities).default('medium'),
  ...perMinute,
});
const tenantSchema = z.strictObject({ id: name, ...perMinute });
const documentSchema = z.strictObject({
  keys: z.array(keySchema).min(1).max(100_000),
  tenants: z.array(tenantSchema).max(100_000).default([]),
});

export interface ApiKey {
  id: string;
  priority: Priority;
  /** What its requests count against: the key, then its tenant, as far as they are limited. */
  scopes: readonly RateScope[];
}

export class ApiKeys {
  readonly #byDigest = new Map<string, ApiKey>();

  constructor(document: z.input<typeof documentSchema>, source = 'keys') {
    const result = documentSchema.safeParse(document);
    if (!result.success) {
      const issue = result.error.issues[0];
      throw new InfernodeError(
        'config-invalid',
        `${source}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
      );
    }
    const tenants = new Map(result.data.tenants.map((tenant) => [tenant.id, tenant]));
    for (const { id, sha256, tenant, priority, ...limits } of result.data.keys) {
      const shared = tenant === undefined ? undefined : tenants.get(tenant);
      if (tenant !== undefined && shared === undefined && tenants.size > 0)
        throw new InfernodeError(
          'config-invalid',
          `${source}: key ${id}: tenant "${tenant}" is not listed; add it under tenants`,
        );
      const scopes = [scopeOf(`key:${id}`, limits), shared && scopeOf(`tenant:${shared.id}`, shared)];
      this.#byDigest.set(sha256.toLowerCase(), { id, priority, scopes: scopes.filter((scope) => !!scope) });
    }
  }

  /** Throws `config-invalid` that names the file and the entry. */
  static fromFile(file: string): ApiKeys {
    const source = `gateway.keys.file ${file}`;
    let content: unknown;
    try {
      content = parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new InfernodeError('config-invalid', `${source}: ${messageOf(error)}`, { cause: error });
    }
    return new ApiKeys(content as never, source);
  }

  get size(): number {
    return this.#byDigest.size;
  }

  /** The key in an `Authorization` header, or `null`. */
  identify(authorization: string | undefined): ApiKey | null {
    const match = /^Bearer +(\S+)$/i.exec(authorization ?? '');
    return match?.[1] === undefined ? null : (this.#byDigest.get(hash('sha256', match[1], 'hex')) ?? null);
  }
}

type PerMinute = Partial<Record<'requestsPerMinute' | 'tokensPerMinute', number | undefined>>;

function scopeOf(scope: string, { requestsPerMinute, tokensPerMinute }: PerMinute): RateScope | null {
  if (requestsPerMinute === undefined && tokensPerMinute === undefined) return null;
  return {
    name: scope,
    requestsPerMinute: requestsPerMinute ?? null,
    tokensPerMinute: tokensPerMinute ?? null,
  };
}
