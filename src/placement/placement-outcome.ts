import { explainRefusal, type Refusal } from './eligibility.js';
import type { Member } from './placement-member.js';
import type { PlacementOutcome } from './placement-types.js';
import type { Selection } from './select-endpoint.js';

export interface RefusedMember {
  member: Member;
  refusal: Refusal;
}

export function outcomeOf(selection: Selection, home: string | null): PlacementOutcome {
  if (home === null || selection.member.state.id === home) return 'home';
  return selection.holdsOwn ? 'remembered' : 'spilled';
}

/** `capped` only where waiting helps: at least one endpoint would take the request but for its cap. */
export function refuse(refused: readonly RefusedMember[]): {
  endpoint: null;
  outcome: PlacementOutcome;
  reason: string;
} {
  const capped = refused.some(({ refusal }) => refusal === 'at-hard-cap');
  const shown = refused.slice(0, 3).map(({ member, refusal }) => explainRefusal(refusal, member.state));
  const more = refused.length > shown.length ? `; and ${refused.length - shown.length} more` : '';
  const reason = shown.length > 0 ? shown.join('; ') + more : 'no endpoint serves this model';
  return { endpoint: null, outcome: capped ? 'capped' : 'none-eligible', reason };
}
