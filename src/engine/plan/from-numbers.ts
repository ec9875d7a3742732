import { InfernodeError } from '../../domain/error-codes.js';
import type { ModelShape } from './model-shape.js';

/** Members of `--shape layers=80,hidden=8192,...`; the first four are needed. */
const members = {
  params: 'parameters of the whole model, such as 70.6e9',
  layers: 'attention layers',
  'kv-heads': 'KV heads per layer',
  'head-dim': 'dimension of one head',
  heads: 'attention heads (default: KV heads)',
  hidden: 'hidden size (default: heads x head dimension)',
  vocab: 'vocabulary (default: 128,256)',
  context: 'longest context in tokens (default: 131,072)',
} as const;
const needed = ['params', 'layers', 'kv-heads', 'head-dim'] as const;

export const shapeHelp = Object.entries(members)
  .map(([name, what]) => `${name}: ${what}`)
  .join('; ');

/** A dense model out of numbers. Throws `argument-invalid` that names the member. */
export function fromNumbers(text: string): ModelShape {
  const given = new Map<string, number>();
  for (const part of text.split(',').filter((word) => word.trim() !== '')) {
    const [name = '', value = ''] = part.split('=').map((word) => word.trim());
    const number = Number(value);
    if (!Object.hasOwn(members, name))
      throw new InfernodeError(
        'argument-invalid',
        `--shape: unknown member "${name}"; known: ${Object.keys(members).join(', ')}`,
      );
    if (!(number > 0 && Number.isFinite(number)))
      throw new InfernodeError(
        'argument-invalid',
        `--shape: expected ${name} to be a number above 0, got "${value}"`,
      );
    given.set(name, number);
  }
  const missing = needed.filter((name) => !given.has(name));
  if (missing.length > 0)
    throw new InfernodeError('argument-invalid', `--shape: ${missing.join(', ')} missing; ${shapeHelp}`);
  const of = (name: keyof typeof members, fallback: number): number => given.get(name) ?? fallback;
  const [layers, kvHeads, headDim] = [of('layers', 0), of('kv-heads', 0), of('head-dim', 0)];
  const heads = of('heads', kvHeads);
  return {
    id: 'MODEL',
    layers,
    hiddenSize: of('hidden', heads * headDim),
    attentionHeads: heads,
    vocabSize: of('vocab', 128_256),
    maxContextTokens: of('context', 131_072),
    parameters: Math.round(of('params', 0)),
    checkpointBits: 16,
    kvGroups: [{ kind: 'full', layers, kvHeads, headDim }],
  };
}
