/** What the KV library would refuse by its kind, refused by its name: checks that `kv-quantizer` and `graph-runner` make before they call it. */
import { InfernodeError } from '../domain/error-codes.js';
import type { Addon } from './load-addon.js';

/** 2^30, the limit of the library on tokens, heads, dim and blocks. */
export const maxCount = 2 ** 30;
export const kvDtypes = ['bf16', 'fp16'] as const;
const layouts = ['nhd', 'hnd'] as const;

export function refuse(message: string): never {
  throw new InfernodeError('argument-invalid', message);
}

export function checkWhole(name: string, value: unknown, least: number, most: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
  refuse(`${name}: expected ${least} to ${most}, got ${String(value)}`);
}

export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string))
    refuse(`${name}: expected ${choices.join(' or ')}, got ${String(value)}`);
}

/** A detached array has no elements left, so it is too short here. */
export function checkArray(
  name: string,
  array: unknown,
  type: typeof Uint8Array | typeof Uint16Array | typeof Int32Array | typeof Uint32Array,
  length: number,
): void {
  if (!(array instanceof type)) refuse(`${name}: expected a ${type.name}`);
  const detached = array.byteLength === 0 && length > 0 ? ', or its ArrayBuffer is detached' : '';
  if (array.length < length)
    refuse(`${name}: expected at least ${length} elements, got ${array.length}${detached}`);
}

/** A section but for its format, whose names the library knows. */
export function checkGeometry(section: Addon.KvSection, name = 'section'): void {
  if (typeof section !== 'object' || section === null) refuse(`${name}: expected an object`);
  for (const field of ['blockTokens', 'heads', 'dim', 'blocks', 'blocksPerRecord'] as const)
    checkWhole(field, section[field], 1, maxCount);
  checkOneOf('dtype', section.dtype, kvDtypes);
  checkOneOf('layout', section.layout, layouts);
}
