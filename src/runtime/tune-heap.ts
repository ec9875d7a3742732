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
 * The same for processes that requests pass through, where new objects also begin as new objects. V8 allocates among the old
 * what it has often seen survive, such as the parts of a request while there is a queue; from then on every request is garbage
 * that only a full collection finds, and keeps what it refers to: three quarters of what a loaded gateway promoted.
 */
export function collectRequests(): void {
  collectAlone();
  setFlagsFromString('--no-allocation-site-pretenuring');
}
