import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { generateConversations } from './generate-conversations.mjs';
import { seededRandom } from './seeded-random.mjs';

/**
 * @typedef {object} TraceRequest
 * @property {number} atMs arrival, from the start of the trace
 * @property {number} tokens prompt tokens
 * @property {number} outputTokens
 * @property {number[]} chain ids of the prompt's 512-token blocks; an id stands for its block and all before it
 * @property {number} conversationKey id of the first block that is not everybody's opening
 */

const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** Where the public conversation trace lies beside a checkout that has it; it is not part of the repository. */
export const defaultTracePath = resolve(repositoryRoot, '../shared/data/conversation-trace.jsonl.gz');
const tickMs = 3000;

/**
 * The public trace when it is there (or named), else a seeded workload with its published statistics.
 * @param {{ path?: string, seed?: number, limit?: number }} options
 * @returns {{ source: string, requests: TraceRequest[] }}
 */
export function loadTrace({ path, seed = 1, limit = Infinity } = {}) {
  const found = path ?? (existsSync(defaultTracePath) ? defaultTracePath : undefined);
  if (path && !existsSync(path)) throw new Error(`expected a trace file at --trace, found none at ${path}`);
  if (!found) {
    return {
      source: `generated workload with the statistics of the public conversation trace, seed ${seed}`,
      requests: generateConversations({ seed }).slice(0, limit),
    };
  }
  return {
    source: 'public conversation trace (Mooncake, FAST25)',
    requests: readTrace(found, seed).slice(0, limit),
  };
}

/** Arrivals come in ticks of 3 s; each tick's requests are spread over it, in their order. */
function readTrace(path, seed) {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const random = seededRandom(seed);
  const requests = text
    .split('\n')
    .filter((line) => line.length > 0)
    .map((line) => {
      const { timestamp, input_length, output_length, hash_ids } = JSON.parse(line);
      return {
        atMs: timestamp + random() * tickMs,
        tokens: input_length,
        outputTokens: output_length,
        chain: hash_ids,
        conversationKey: hash_ids[1] ?? hash_ids[0],
      };
    });
  return requests.sort((a, b) => a.atMs - b.atMs);
}

/** Stretches time so that the requests offer `tokensPerSecond` prompt tokens on average. */
export function scaleToRate(requests, tokensPerSecond) {
  const tokens = requests.reduce((sum, r) => sum + r.tokens, 0);
  const first = requests[0].atMs;
  const spanMs = requests[requests.length - 1].atMs - first;
  const factor = ((tokens / tokensPerSecond) * 1000) / spanMs;
  return requests.map((r) => ({ ...r, atMs: (r.atMs - first) * factor }));
}
