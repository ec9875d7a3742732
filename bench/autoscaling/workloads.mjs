import { loadTrace } from '../trace/read-trace.mjs';
import { seededRandom } from '../trace/seeded-random.mjs';

const day = 86_400;

/**
 * Days of arrivals, requests per second for each second, all with the same mean. The trace is an hour of conversations: its minutes
 * are stretched to a day, so that its rises and falls are those of hours.
 * @param {number} mean requests per second
 */
export function workloads(mean) {
  const { source, requests } = loadTrace();
  const night = (t) => 0.35 + 0.65 * Math.sin((Math.PI * t) / day) ** 2;
  return {
    source,
    days: {
      'trace stretched to a day': scaled(stretched(requests), mean),
      'day and night': scaled(perSecond(night), mean),
      'steps of 1x, 4x, 2x': scaled(
        perSecond((t) => [1, 4, 2][Math.floor((t / day) * 12) % 3]),
        mean,
      ),
      'spikes of 5x for 5 minutes': scaled(
        perSecond((t) => night(t) * (t % 7200 < 300 ? 5 : 1)),
        mean,
      ),
      'day and night, noisy': scaled(noisy(night, seededRandom(7)), mean),
    },
  };
}

const perSecond = (rate) => Float64Array.from({ length: day }, (_, t) => rate(t));

/** Each minute has a rate of its own around the curve: short crowds and short quiets. */
function noisy(rate, random) {
  let factor = 1;
  return perSecond((t) => {
    if (t % 60 === 0) factor = 0.4 + 1.2 * random();
    return rate(t) * factor;
  });
}

function stretched(requests) {
  const last = requests.at(-1).atMs + 1;
  const bins = 96;
  const counts = new Float64Array(bins);
  for (const { atMs, tokens } of requests) counts[Math.floor((atMs / last) * bins)] += tokens;
  return perSecond((t) => {
    const at = (t / day) * bins - 0.5;
    const i = Math.max(0, Math.min(bins - 2, Math.floor(at)));
    const part = Math.max(0, Math.min(1, at - i));
    return counts[i] * (1 - part) + counts[i + 1] * part;
  });
}

function scaled(rates, mean) {
  const sum = rates.reduce((a, b) => a + b, 0);
  return rates.map((rate) => (rate * mean * rates.length) / sum);
}
