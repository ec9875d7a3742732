// Prompts from block ids: equal ids become equal text, so that what could be reused in the recorded prompts can be here.
import { seededRandom } from '../trace/seeded-random.mjs';

const blockTokens = 512;
/** Usual for English and most tokenizers; the simulated engine counts exactly so. */
const charactersPerToken = 4;

const words = (
  'time year people way day man thing woman life child world school state family student group country problem hand ' +
  'part place case week company system program question work government number night point home water room mother ' +
  'area money story fact month lot right study book eye job word business issue side kind head house service friend ' +
  'father power hour game line end member law car city name team minute idea body back parent face level office door ' +
  'health person art war history party result change morning reason research girl guy moment air teacher force'
).split(' ');

/**
 * The text of a prompt: one block of text per id, the last one as long as the prompt's rest. With `lengthScale` every
 * block shrinks alike, so that shared beginnings stay shared.
 * @param {{ chain: number[], tokens: number }} request
 */
export function promptText({ chain, tokens }, { lengthScale, seed }) {
  const last = chain.length - 1;
  const restTokens = Math.min(blockTokens, Math.max(1, tokens - last * blockTokens));
  return chain
    .map((id, i) => blockText(id, seed, scaled(i === last ? restTokens : blockTokens, lengthScale)))
    .join('');
}

export function scaled(tokens, lengthScale) {
  return Math.max(1, Math.round(tokens * lengthScale));
}

function blockText(id, seed, tokens) {
  const random = seededRandom(Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b));
  const length = tokens * charactersPerToken;
  let text = '';
  while (text.length < length) text += `${words[Math.floor(random() * words.length)]} `;
  return text.slice(0, length);
}

/** Share of prompt tokens that stood in an earlier prompt, at the same place: what one endless cache would save. */
export function reusableShare(requests) {
  const seen = new Set();
  let [all, reused] = [0, 0];
  for (const { chain, tokens } of requests) {
    all += tokens;
    const known = chain.findIndex((id) => !seen.has(id));
    reused += Math.min(tokens, (known < 0 ? chain.length : known) * blockTokens);
    for (const id of chain) seen.add(id);
  }
  return all === 0 ? 0 : reused / all;
}
