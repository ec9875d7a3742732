/**
 * The lease of the scaling owner in Valkey or Redis: one hash, read and written by scripts. It has no time of its own: an expiry by the store's
 * clock would hand it to the next while the owner still believes, whenever that clock jumps. Whoever wants it counts for himself
 * (`runtime/lease-election.ts`). A store without persistence, or a replica that took over, may show no lease or an older one;
 * the election waits then.
 */
import { randomUUID } from 'node:crypto';
import type { LeaseRecord, LeaseStore } from '../runtime/lease-election.js';

/** KEYS: the lease. ARGV: version that it must have (empty: none), holder, duration in ms, new version. */
const writeScript = `
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'durationMs', ARGV[3], 'version', ARGV[4])
return 1`;

export interface RedisLeaseOptions {
  /** Of the hash in the store. */
  key: string;
  /** One command; rejects when the store is away, answers with an error, or not in time. */
  command: (args: string[]) => Promise<unknown>;
}

export class RedisLease implements LeaseStore {
  readonly name: string;
  readonly #command: RedisLeaseOptions['command'];

  constructor({ key, command }: RedisLeaseOptions) {
    this.name = key;
    this.#command = command;
  }

  async read(): Promise<LeaseRecord | null> {
    const fields = (await this.#command([
      'HMGET',
      this.name,
      'holder',
      'durationMs',
      'version',
    ])) as unknown[];
    const [holder, durationMs, version] = fields;
    if (version === null) return null;
    if (typeof holder === 'string' && typeof version === 'string' && Number(durationMs) >= 0)
      return { holder, durationMs: Number(durationMs), version };
    throw new Error(
      `expected holder, durationMs and version in the hash ${this.name}, got ${String(fields)}`,
    );
  }

  async write(
    { holder, durationMs }: Omit<LeaseRecord, 'version'>,
    version: string | null,
  ): Promise<boolean> {
    const fields = [version ?? '', holder, String(durationMs), randomUUID()];
    return (await this.#command(['EVAL', writeScript, '1', this.name, ...fields])) === 1;
  }
}
