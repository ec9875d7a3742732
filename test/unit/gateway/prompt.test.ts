// Prompts as chains of block keys: what means the same gives the same chain, what differs differs from there on.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockCodePoints, maxChainBlocks, PrefixHasher } from '../../../src/gateway/request/prefix-chain.js';
import { renderPrompt, type PromptKind } from '../../../src/gateway/request/render-prompt.js';

const hasher = new PrefixHasher('seed');

function chainOf(body: object, kind: PromptKind = 'chat', model = 'm'): number[] {
  return hasher.chainOf(renderPrompt(kind, model, body as Record<string, unknown>)).chain;
}

const long = (letter: string, blocks: number): string => letter.repeat(blocks * blockCodePoints);
const user = (content: unknown): object => ({ role: 'user', content });

test('the same values give the same chain today and in every release of this version', () => {
  const { chain, tokens } = hasher.chainOf({ scope: 'Mm\u00001;', text: 'Hello, wörld 😀', tokenIds: null });
  expect({ chain, tokens }).toEqual({ chain: [3_452_763_980_942_739], tokens: 4 });
  expect(
    new PrefixHasher('other').chainOf({ scope: 'Mm\u00001;', text: 'Hello, wörld 😀', tokenIds: null }).chain,
  ).not.toEqual(chain);
});

test('keys are integers below 2^53 and chained: equal up to the first difference, different from there on', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (shared, a, b) => {
      fc.pre(a !== b && !a.startsWith(b) && !b.startsWith(a));
      const head = long('s', shared);
      const one = chainOf({ prompt: head + a + long('x', 2) }, 'completions');
      const two = chainOf({ prompt: head + b + long('x', 2) }, 'completions');
      const same = one.findIndex((key, i) => key !== two[i]);
      // The kind of the part takes one code point, so that a shared block ends one before its multiple.
      expect(same).toBeGreaterThanOrEqual(Math.max(0, shared - 1));
      expect(one.slice(same).some((key) => two.includes(key))).toBe(false);
      for (const key of one) expect(Number.isSafeInteger(key) && key >= 0).toBe(true);
    }),
  );
});

test('a conversation that goes on, and a prompt that grows, keep their blocks', () => {
  const turns = [{ role: 'system', content: long('s', 2) }, user(long('a', 2))];
  const before = chainOf({ messages: turns });
  const after = chainOf({ messages: [...turns, { role: 'assistant', content: 'yes' }, user('more')] });
  expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  const short = chainOf({ prompt: long('p', 2) }, 'completions');
  const grown = chainOf({ prompt: `${long('p', 2)} and more` }, 'completions');
  expect(grown.slice(0, 2)).toEqual(short.slice(0, 2));
});

test('member order, white space and a text part for a string do not matter', () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: { a: 1, b: [2] } } }];
  const same = [
    { messages: [user('hi')], tools, temperature: 1 },
    {
      tools: [{ function: { parameters: { b: [2], a: 1 }, name: 'f' }, type: 'function' }],
      messages: [{ content: 'hi', role: 'user' }],
    },
    { messages: [user([{ type: 'text', text: 'hi' }])], tools },
  ];
  expect(new Set(same.map((body) => JSON.stringify(chainOf(body)))).size).toBe(1);
});

test('model, salt, tools, format, roles, media and the borders between parts matter', () => {
  const image = (url: string): object => ({ type: 'image_url', image_url: { url } });
  const different = [
    chainOf({ messages: [user('hi')] }),
    chainOf({ messages: [user('hi')] }, 'chat', 'other'),
    chainOf({ messages: [user('hi')], cache_salt: 'tenant' }),
    chainOf({ messages: [user('hi')], tools: [{}] }),
    chainOf({ messages: [user('hi')], response_format: { type: 'json_object' } }),
    chainOf({ messages: [{ role: 'assistant', content: 'hi' }] }),
    chainOf({ messages: [user('h'), user('i')] }),
    chainOf({
      messages: [
        user([
          { type: 'text', text: 'h' },
          { type: 'text', text: 'i' },
        ]),
      ],
    }),
    chainOf({ messages: [user([{ type: 'text', text: 'hi' }, image('data:x')])] }),
    chainOf({ messages: [user([{ type: 'text', text: 'hi' }, image(`data:${long('y', 3)}`)])] }),
    chainOf({ messages: [user([{ type: 'text', text: 'hi' }, image(`data:${long('z', 3)}`)])] }),
  ];
  expect(new Set(different.map((chain) => JSON.stringify(chain))).size).toBe(different.length);
});

test('Unicode counts by code points, and the chain does not depend on how it is written', () => {
  const astral = '😀'.repeat(blockCodePoints * 2 - 1);
  expect(chainOf({ prompt: astral }, 'completions')).toHaveLength(3);
  const ascii = 'x'.repeat(blockCodePoints * 2 - 1);
  expect(chainOf({ prompt: ascii }, 'completions')).toHaveLength(3);
  const { tokens } = hasher.chainOf(renderPrompt('completions', 'm', { prompt: astral }));
  expect(tokens).toBeGreaterThanOrEqual(1024);
  expect(tokens).toBeLessThan(1030);
});

test('token ids are cut every 512, and lists of prompts keep their borders', () => {
  const ids = Array.from({ length: 1025 }, (_, i) => i);
  const { chain, tokens } = hasher.chainOf(renderPrompt('completions', 'm', { prompt: ids }));
  expect([chain.length, tokens]).toEqual([3, 1025]);
  expect(chainOf({ prompt: ids.slice(0, 512) }, 'completions')).toEqual(chain.slice(0, 1));
  expect(chainOf({ input: [[1, 2], [3]] }, 'embeddings')).not.toEqual(
    chainOf({ input: [[1], [2, 3]] }, 'embeddings'),
  );
  expect(chainOf({ input: ['a', 'b'] }, 'embeddings')).not.toEqual(chainOf({ input: ['ab'] }, 'embeddings'));
});

test('responses: instructions are the system turn, input is text or turns', () => {
  expect(chainOf({ instructions: 'be', input: 'hi' }, 'responses')).toEqual(
    chainOf({ input: [{ role: 'system', content: 'be' }, user('hi')] }, 'responses'),
  );
});

test('tools and their calls count as the text they are; media count as digests, however short', () => {
  const tokensOf = (body: Record<string, unknown>): number =>
    hasher.chainOf(renderPrompt('chat', 'm', body)).tokens;
  const described = (text: string): object => ({
    type: 'function',
    function: { name: 'f', description: text },
  });
  expect(
    tokensOf({ messages: [user('hi')], tools: [described(long('d', 4))] }) -
      tokensOf({ messages: [user('hi')], tools: [described('')] }),
  ).toBeGreaterThanOrEqual(blockCodePoints);
  const tokensOfImage = (url: string): number =>
    tokensOf({ messages: [user([{ type: 'image_url', image_url: { url } }])] });
  expect(tokensOfImage('data:image/png;base64,AAAA')).toBe(tokensOfImage(`data:${long('A', 100)}`));
});

test('documents, templates and the format of a response matter as they do to an engine', () => {
  const different = [
    chainOf({ messages: [user('hi')] }),
    chainOf({ messages: [user('hi')], documents: [{ text: 'd' }] }),
    chainOf({ messages: [user('hi')], chat_template: '{{ x }}' }),
    chainOf({ input: 'hi', text: { format: { type: 'json_object' } } }, 'responses'),
    chainOf({ input: 'hi', text: { verbosity: 'low' }, model: 'other' }, 'responses'),
  ];
  expect(new Set(different.map((chain) => JSON.stringify(chain))).size).toBe(4);
  expect(different[4]).toEqual(different[0]);
});

test('turns to embed give the chain of the same turns in a chat', () => {
  expect(chainOf({ messages: [user('hi')] }, 'embeddings')).toEqual(chainOf({ messages: [user('hi')] }));
});

test.each<[PromptKind, object]>([
  ['completions', { prompt: '' }],
  ['completions', { prompt: [] }],
  ['completions', { prompt_embeds: 'AAAA' }],
  ['chat', { messages: [] }],
  ['chat', { messages: [user('')] }],
  ['chat', { messages: [user([{ type: 'text', text: '' }]), { role: 'assistant', content: null }] }],
  ['embeddings', { input: '' }],
  ['embeddings', { input: ['', ''] }],
  ['responses', { input: '' }],
  ['responses', { previous_response_id: 'r' }],
])('%s of %j has no text: it is placed by load', (kind, body) => {
  expect(chainOf(body, kind)).toEqual([]);
});

test('no text is an empty chain; a body of nonsense never throws; a long one is bounded', () => {
  expect(chainOf({})).toEqual([]);
  fc.assert(
    fc.property(
      fc.object({ maxDepth: 4 }),
      fc.constantFrom<PromptKind>('chat', 'completions', 'embeddings', 'responses'),
      (body, kind) => {
        const noise = { ...body, messages: body['messages'] ?? [body], prompt: [body], input: body };
        expect(Array.isArray(chainOf(noise, kind))).toBe(true);
      },
    ),
  );
  expect(
    chainOf({ prompt: 'x'.repeat(blockCodePoints * (maxChainBlocks + 10)) }, 'completions'),
  ).toHaveLength(maxChainBlocks);
});
