/**
 * Time, injected. `monotonicMs` is for deadlines and ages, `wallMs` for display only: a wall clock may jump.
 */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
  /** Calls back once after `ms`; the timer does not keep the process alive. */
  after(ms: number, callback: () => void): Timer;
  /** Calls back every `ms`; the timer does not keep the process alive. */
  every(ms: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, callback) {
    const handle = setTimeout(callback, ms).unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(ms, callback) {
    const handle = setInterval(callback, ms).unref();
    return { cancel: () => clearInterval(handle) };
  },
};

/** Resolves after `ms`, earlier when the signal aborts (it does not reject: the caller looks at the signal). */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.after(ms, finish);
    if (signal?.aborted) finish();
    else signal?.addEventListener('abort', finish, { once: true });
  });
}
