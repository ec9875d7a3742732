import type { Counter } from 'prom-client';

/** Takes the series with this value of a label out of counters; one without that label stays as it is. */
export async function removeSeries(
  counters: readonly Counter[],
  label: string,
  value: string,
): Promise<void> {
  for (const counter of counters)
    for (const { labels } of (await counter.get()).values)
      if (label in labels && (labels as Record<string, unknown>)[label] === value) counter.remove(labels);
}
