import { setFlagsFromString } from 'node:v8';

/**
 * Collections of new objects run on the main thread alone. What survives one is a megabyte or less here, a millisecond of
 * work; shared with V8's threads it takes as long as the last of them waits for a CPU, which on a node whose CPUs engines use,
 * or in a pod with one, was 5 to 20 ms with every request behind it.
 */
export function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}

/**
 * For processes that requests pass through. Collections as above, and new objects begin as new objects: V8 allocates among the
 * old what it has often seen survive, such as the parts of a request while there is a queue; from then on every request is
 * garbage that only a full collection finds, and keeps what it refers to: three quarters of what a loaded gateway promoted.
 *
 * Code is compiled at its first call and optimized after a third of the usual work: at tens of requests a second V8 would
 * interpret much of a request's path for the first minutes (a fifth of its CPU time, by `bench/gateway`).
 */
export function tuneForRequests(): void {
  collectAlone();
  setFlagsFromString('--no-allocation-site-pretenuring');
  setFlagsFromString('--always-sparkplug');
  // Later versions of V8 count otherwise and do not know the flag.
  if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=20000');
}
