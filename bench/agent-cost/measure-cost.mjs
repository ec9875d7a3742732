// CPU and memory of agent and sampler over a time, from /proc, with one scrape per 15 s as Prometheus would.
import { costOf } from './running-agent.mjs';

const scrapeMs = 15_000;
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const mib = (bytes) => bytes / 1024 ** 2;

/** `onSample` hears the samples so far, after each scrape. */
export async function measureCost(agent, forMs, onSample = () => undefined) {
  const samples = [sampleOf(agent)];
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    await agent.scrape();
    await pause(Math.min(scrapeMs, Math.max(100, endMs - performance.now())));
    samples.push(sampleOf(agent));
    onSample(samples);
  }
  return { ...cpuOf(samples), samples, last: samples.at(-1) };
}

function sampleOf({ pid }) {
  const { agent, sampler } = costOf(pid);
  return {
    atMs: performance.now(),
    agentMib: mib(agent.rssBytes),
    samplerMib: mib(sampler.rssBytes),
    totalMib: mib(agent.rssBytes + sampler.rssBytes),
    agentSeconds: agent.cpuSeconds,
    samplerSeconds: sampler.cpuSeconds,
  };
}

/** Percent of one core. */
export function cpuOf(samples) {
  const [first, last] = [samples[0], samples.at(-1)];
  const share = (key) => (100_000 * (last[key] - first[key])) / (last.atMs - first.atMs);
  return { agentCpu: share('agentSeconds'), samplerCpu: share('samplerSeconds') };
}

/**
 * KiB per hour by least squares over the samples, with twice its standard error. The first sixth is left out: a process that has just
 * started grows until its code is compiled and its buffers have their sizes.
 */
export function slopeOf(samples) {
  const begin = samples[0].atMs + (samples.at(-1).atMs - samples[0].atMs) / 6;
  const points = samples
    .filter(({ atMs }) => atMs >= begin)
    .map(({ atMs, totalMib }) => [atMs / 3_600_000, totalMib * 1024]);
  const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  const slope = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / spread;
  const left = points.reduce((sum, [a, b]) => sum + (b - y - slope * (a - x)) ** 2, 0);
  return {
    kibPerHour: slope,
    twoErrors: 2 * Math.sqrt(left / Math.max(1, points.length - 2) / spread),
    count: points.length,
  };
}
