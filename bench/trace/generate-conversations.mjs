import { exponential, logNormal, normal, seededRandom } from './seeded-random.mjs';

/**
 * A workload with the published statistics of the conversation trace: 3.4 requests a second for an hour, prompts of
 * 6,909 tokens in the median and 12,000 in the mean (891..126,195), 343 output tokens, one opening block shared by
 * all, 39 % follow-ups that keep their predecessor's full blocks and come about two minutes later, 37 % reuse.
 *
 * `opening` blocks are shared by everybody; `hot` is the share of conversations that begin with one of `hotPrefixes`
 * long documents of `hotBlocks` blocks; `burst` > 1 packs arrivals into bursts of that height.
 */
export function generateConversations({
  seed = 1,
  count = 12_000,
  ratePerSecond = 3.4,
  opening = 1,
  hot = 0,
  hotPrefixes = 4,
  hotBlocks = 20,
  burst = 1,
  followUpShare = 0.387,
  medianTokens = 5200,
} = {}) {
  const random = seededRandom(seed);
  const state = { nextBlock: opening + hotPrefixes * hotBlocks };
  const pending = [];
  const requests = [];
  const firstRate = ratePerSecond * (1 - followUpShare);
  let nowMs = 0;
  while (requests.length < count) {
    nowMs += nextGapMs(random, firstRate, burst, nowMs);
    for (const due of takeDue(pending, nowMs)) emit(due);
    emit({
      atMs: nowMs,
      ...firstTurn(random, state, { opening, hot, hotPrefixes, hotBlocks, medianTokens }),
    });
  }
  return requests.sort((a, b) => a.atMs - b.atMs).slice(0, count);

  function emit(turn) {
    const request = toRequest(random, state, turn, opening);
    requests.push(request);
    if (random() < followUpShare) pending.push(followUp(random, request));
  }
}

/** Bursts: a fifth of each minute has `burst` times the arrivals of a mean second, the rest has fewer. */
function nextGapMs(random, ratePerSecond, burst, nowMs) {
  const inBurst = nowMs % 60_000 < 12_000;
  const factor = burst === 1 ? 1 : inBurst ? burst : Math.max(0.05, (1 - 0.2 * burst) / 0.8);
  return exponential(random, 1000 / (ratePerSecond * factor));
}

function takeDue(pending, nowMs) {
  const due = pending.filter((turn) => turn.atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
  for (const turn of due) pending.splice(pending.indexOf(turn), 1);
  return due;
}

function firstTurn(random, state, { opening, hot, hotPrefixes, hotBlocks, medianTokens }) {
  const tokens = Math.round(Math.max(0.17 * medianTokens, clampTokens(logNormal(random, medianTokens, 1.2))));
  const shared = Array.from({ length: opening }, (_, i) => i);
  if (random() >= hot) return { tokens, prefix: shared };
  // Popularity falls with the rank, as 1/(rank+1).
  const which = Math.floor(hotPrefixes ** random()) - 1;
  const document = Array.from({ length: hotBlocks }, (_, i) => opening + which * hotBlocks + i);
  return { tokens: tokens + hotBlocks * 512, prefix: [...shared, ...document] };
}

function followUp(random, request) {
  const full = request.chain.slice(0, Math.floor(request.tokens / 512));
  return {
    atMs: request.atMs + 1000 * Math.max(20, logNormal(random, 123, 0.95)),
    tokens: clampTokens(full.length * 512 + logNormal(random, 900, 1.5)),
    prefix: full,
  };
}

function toRequest(random, state, { atMs, tokens, prefix }, opening) {
  const total = Math.max(1, Math.ceil(tokens / 512));
  const chain = prefix.slice(0, total);
  while (chain.length < total) chain.push(state.nextBlock++);
  const outputTokens = Math.round(Math.min(2000, Math.max(1, 343 + 210 * normal(random))));
  const own = chain.findIndex((block) => block >= opening);
  return { atMs, tokens, outputTokens, chain, conversationKey: chain[own < 0 ? chain.length - 1 : own] };
}

function clampTokens(tokens) {
  return Math.round(Math.min(126_195, Math.max(16, tokens)));
}
