// The engines' own count of prompt tokens looked up in, and found in, their prefix caches.
import { request } from 'undici';

/** @returns {Promise<Map<string, { queries: number, hits: number }>>} by endpoint id; engines that do not answer are left out */
export async function readEngineCounters(engines) {
  const read = await Promise.all(
    engines.map(async ({ id, url }) => {
      try {
        const { statusCode, body } = await request(`${url}/metrics`, {
          headersTimeout: 5000,
          bodyTimeout: 5000,
        });
        const page = await body.text();
        return statusCode === 200 ? [id, countersOf(page)] : null;
      } catch {
        return null;
      }
    }),
  );
  return new Map(read.filter((entry) => entry !== null));
}

/** Engines whose counters went backwards were restarted meanwhile and count from zero. */
export function cacheUse(before, after) {
  const byEngine = new Map();
  for (const [id, now] of after) {
    const then = before.get(id);
    const base = then && now.queries >= then.queries ? then : { queries: 0, hits: 0 };
    byEngine.set(id, { queries: now.queries - base.queries, hits: now.hits - base.hits });
  }
  return byEngine;
}

function countersOf(page) {
  const sum = (name) =>
    [...page.matchAll(new RegExp(`^vllm:${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return { queries: sum('prefix_cache_queries_total'), hits: sum('prefix_cache_hits_total') };
}
