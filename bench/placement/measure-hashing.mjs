import { PrefixHasher } from '../../dist/gateway/request/prefix-chain.js';
import { renderPrompt } from '../../dist/gateway/request/render-prompt.js';

/** Time from the parsed body of a chat with 100 kB of text to its chain. Microseconds. */
export function measureHashing({ rounds = 2_000 } = {}) {
  const hasher = new PrefixHasher('bench');
  const content = 'The quick brown fox jumps over the lazy dog. '.repeat(112);
  const messages = Array.from({ length: 20 }, (_, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content: `${i} ${content}`,
  }));
  const bytes = messages.reduce((sum, message) => sum + message.content.length, 0);
  const timesUs = new Float64Array(rounds);
  for (let round = 0; round < rounds; round += 1) {
    const start = process.hrtime.bigint();
    hasher.chainOf(renderPrompt('chat', 'model', { messages }));
    timesUs[round] = Number(process.hrtime.bigint() - start) / 1000;
  }
  const settled = timesUs.slice(rounds / 10).sort();
  const at = (share) => settled[Math.floor(share * (settled.length - 1))];
  return { bytes, rounds, p50Us: at(0.5), p99Us: at(0.99) };
}
