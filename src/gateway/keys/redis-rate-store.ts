/**
 * The same buckets shared by all coordinators, in Valkey or Redis: one script reserves in every scope or in none, by the
 * store's own clock. When the store does not answer in time this process goes on with buckets of its own (`local`), or
 * refuses what is limited (`refuse`); either way it is counted.
 */
import { hash } from 'node:crypto';
import { messageOf } from '../../domain/error-codes.js';
import type { SharedStore } from './shared-store.js';
import type { RateDecision, RateScope, RateStore } from './rate-store.js';

/** KEYS: buckets. ARGV: tokens, unused tokens to settle (then nothing is asked), then per bucket requests and tokens per minute (-1: none). */
const script = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local wanted, unused = tonumber(ARGV[1]), ARGV[2]
local r, k = {}, {}
for i, name in ipairs(KEYS) do
  local rpm, tpm = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local b = redis.call('HMGET', name, 'r', 't', 'at')
  local share = b[3] and math.max(0, now - tonumber(b[3])) / 60000 or 0
  r[i] = b[1] and math.min(rpm, tonumber(b[1]) + share * rpm) or rpm
  k[i] = b[2] and math.min(tpm, tonumber(b[2]) + share * tpm) or tpm
  if unused == '' then
    if rpm >= 0 and r[i] < 1 - 1e-6 then return {i, 'requests', tostring((1 - r[i]) / rpm * 60000)} end
    local needed = math.min(wanted, tpm)
    if tpm >= 0 and k[i] < needed - 1e-6 then return {i, 'tokens', tostring((needed - k[i]) / tpm * 60000)} end
  end
end
for i, name in ipairs(KEYS) do
  if unused == '' then r[i] = r[i] - 1; k[i] = k[i] - wanted else k[i] = k[i] + tonumber(unused) end
  redis.call('HSET', name, 'r', tostring(r[i]), 't', tostring(k[i]), 'at', now)
  redis.call('PEXPIRE', name, 600000)
end
return {0}`;
const sha1 = hash('sha1', script, 'hex');

export interface RedisRateStoreOptions {
  store: SharedStore;
  prefix: string;
  /** Answers while the store does not. */
  fallback: RateStore | null;
}

export class RedisRateStore implements RateStore {
  readonly #options: RedisRateStoreOptions;

  constructor(options: RedisRateStoreOptions) {
    this.#options = options;
  }

  async reserve(scopes: readonly RateScope[], tokens: number): Promise<RateDecision> {
    try {
      const [at, what, retryAfterMs] = (await this.#run(scopes, tokens, '')) as [
        number,
        'requests' | 'tokens',
        string,
      ];
      if (at === 0) return { granted: true };
      return { granted: false, scope: scopes[at - 1]?.name ?? '', what, retryAfterMs: Number(retryAfterMs) };
    } catch (error) {
      this.#options.store.failed('reserve', messageOf(error));
      if (this.#options.fallback === null) throw error;
      return this.#options.fallback.reserve(scopes, tokens);
    }
  }

  settle(scopes: readonly RateScope[], unusedTokens: number): void {
    this.#run(scopes, 0, String(unusedTokens)).catch((error: unknown) => {
      this.#options.store.failed('settle', messageOf(error));
      this.#options.fallback?.settle(scopes, unusedTokens);
    });
  }

  async #run(scopes: readonly RateScope[], tokens: number, unused: string): Promise<unknown> {
    const { store, prefix } = this.#options;
    const keys = scopes.map(({ name }) => `${prefix}rate:${name}`);
    const limits = scopes.flatMap((scope) => [scope.requestsPerMinute ?? -1, scope.tokensPerMinute ?? -1]);
    const rest = [String(keys.length), ...keys, String(tokens), unused, ...limits.map(String)];
    try {
      return await store.command(['EVALSHA', sha1, ...rest]);
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
      return store.command(['EVAL', script, ...rest]);
    }
  }
}
