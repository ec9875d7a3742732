import type { ExplainedCandidate, PlacementExplanation } from '../../placement/placement-types.js';

/** Longest value; proxies commonly refuse heads beyond 4 to 8 KiB. */
const maxValueLength = 1024;

/** A decision as response headers, name and value in turn: who would be at home, which rule chose, what was compared. */
export function explainHeaders(explanation: PlacementExplanation): string[] {
  const { home, reason, strategy, keyIndex, candidates, refused } = explanation;
  const headers = [
    'x-infernode-strategy',
    strategy,
    'x-infernode-home',
    home ?? 'none',
    'x-infernode-reason',
    reason,
  ];
  if (keyIndex !== null) headers.push('x-infernode-key-block', String(keyIndex));
  if (candidates.length > 0) headers.push('x-infernode-candidates', candidates.map(describe).join(', '));
  if (refused.length > 0)
    headers.push(
      'x-infernode-refused',
      refused.map(({ endpoint, refusal }) => `${endpoint};${refusal}`).join(', '),
    );
  return headers.map((text) => toHeaderValue(text));
}

/** Tokens, as in `Explain`; holders of nothing of the prompt's own are `cold`. */
function describe({
  endpoint,
  depth,
  uncachedTokens,
  holdsOwn,
  work,
  bound,
  admitted,
  cost,
}: ExplainedCandidate): string {
  return (
    `${endpoint};cost=${Math.round(cost)};work=${Math.round(work)};bound=${Math.floor(bound)};uncached=${uncachedTokens};` +
    `depth=${depth};${holdsOwn ? 'warm' : 'cold'};${admitted ? 'admitted' : 'over-bound'}`
  );
}

/** Names and reasons come from agents and engines: what no header may hold must not end the response. */
function toHeaderValue(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxValueLength);
}
