/** What an answer opens with, where that decides whether it goes to the client at all. */
import { saysEngineDead } from './attempt-end.js';

/** Bodies of error answers are held up to this size; a longer one is relayed as it is. */
export const maxHeldBytes = 64 * 1024;

const openings = ['data: {"error"', 'data:{"error"', 'event: error\n'];

/** Whether an event stream opens with the event of a dead engine. `maybe`: more bytes are needed to know. */
export function looksLikeErrorEvent(head: Buffer): 'no' | 'maybe' | 'dead' {
  const text = head.toString('latin1', 0, maxHeldBytes);
  const start = /^(?:data: ?\{\s*"error"|event: ?error\r?\n)/.exec(text);
  if (start === null) return openings.some((opening) => opening.startsWith(text)) ? 'maybe' : 'no';
  if (!/\n\n|\r\n\r\n/.test(text)) return text.length < maxHeldBytes ? 'maybe' : 'no';
  return saysEngineDead(text) ? 'dead' : 'no';
}
