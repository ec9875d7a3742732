/** Seeded uniform numbers in 0..1 (mulberry32): the same seed gives the same workload on every machine. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal number (Box-Muller). */
export function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Log-normal number with the given median and sigma of the logarithm. */
export function logNormal(random, median, sigma) {
  return median * Math.exp(sigma * normal(random));
}

/** Exponential number with the given mean. */
export function exponential(random, mean) {
  return -mean * Math.log(1 - random());
}
