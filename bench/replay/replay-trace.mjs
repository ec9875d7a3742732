// Sends requests when they are due, with a bound on how many are in flight.
import { Agent } from 'undici';
import { promptText, scaled } from './prompt-text.mjs';
import { sendRequest } from './send-request.mjs';

const heldBackMs = 50;

/**
 * @param {import('../trace/read-trace.mjs').TraceRequest[]} requests
 * @param {{ onProgress: (progress: { sent: number, finished: number, failed: number }) => void, signal: AbortSignal }} hooks
 */
export async function replayTrace(requests, { gateway, model, options, onProgress, signal }) {
  const { timeScale, lengthScale, concurrency, timeoutMs, seed, warm } = options;
  const opening = warm ? '' : `Run ${Date.now().toString(36)}. `;
  const dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
  const outcomes = [];
  const inFlight = new Set();
  const progress = { sent: 0, finished: 0, failed: 0 };
  let heldBack = 0;
  const startedMs = performance.now();
  for (const request of requests) {
    const dueMs = startedMs + (request.atMs - requests[0].atMs) * timeScale;
    await until(dueMs, signal);
    while (inFlight.size >= concurrency && !signal.aborted) await Promise.race(inFlight);
    if (signal.aborted) break;
    if (performance.now() - dueMs > heldBackMs) heldBack += 1;
    const sending = sendRequest({
      gateway,
      model,
      prompt: opening + promptText(request, { lengthScale, seed }),
      promptTokens: scaled(request.tokens, lengthScale),
      maxTokens: scaled(request.outputTokens, lengthScale),
      timeoutMs,
      dispatcher,
    }).then((outcome) => {
      inFlight.delete(sending);
      outcomes.push(outcome);
      progress.finished += 1;
      if (!outcome.ok) progress.failed += 1;
      onProgress(progress);
    });
    inFlight.add(sending);
    progress.sent += 1;
    onProgress(progress);
  }
  await Promise.all(inFlight);
  await dispatcher.close();
  return { outcomes, heldBack, seconds: (performance.now() - startedMs) / 1000 };
}

/** Resolves at the time, or when the signal aborts. */
function until(dueMs, signal) {
  const waitMs = dueMs - performance.now();
  if (waitMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, waitMs);
    signal.addEventListener('abort', finish, { once: true });
  });
}
