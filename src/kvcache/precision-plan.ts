/**
 * Which format each layer's keys and values are stored in. A profile gives the base; the first and last two layers go one
 * step higher (their errors are the most visible, as the source documents have it), so does every section whose measured
 * error is over the gate, and keys are stored with at least the precision of values: an error in a key moves the whole softmax.
 */
import { InfernodeError } from '../domain/error-codes.js';

export const kvProfiles = ['q4', 'k8v4', 'q8', 'raw'] as const;
export type KvProfile = (typeof kvProfiles)[number];
export type KvSide = 'keys' | 'values';

/** Formats from least to most precise. Keys go per channel: a few hot channels carry their range. */
const ladders: Record<KvSide, readonly string[]> = {
  keys: ['int4a_chan', 'int8_chan', 'raw'],
  values: ['int4a_g64', 'int8_tok', 'raw'],
};
const highest = 2;

/** Steps on the ladders: the profiles of native/kvquant. */
const profileSteps: Record<KvProfile, Record<KvSide, number>> = {
  q4: { keys: 0, values: 0 },
  k8v4: { keys: 1, values: 0 },
  q8: { keys: 1, values: 1 },
  raw: { keys: highest, values: highest },
};

/** Layers at each end that go one step higher. */
export const edgeLayers = 2;

/**
 * Relative error (rms) over which a section goes one step higher. Gaussian values give 0.087 with int4a g64 and 0.0062 with
 * int8 per token (the formats' text, section 3): 0.12 leaves ordinary layers alone and finds those with outliers.
 */
export const defaultErrorGate = 0.12;

export interface SectionPlan {
  layer: number;
  side: KvSide;
  format: string;
  /** Why it is above its profile's step; empty when it is not. */
  raisedFor: readonly ('edge-layer' | 'error-gate' | 'keys-at-least-values')[];
}

export interface PrecisionRequest {
  layers: number;
  profile: KvProfile;
  /** Over 0; `defaultErrorGate` when absent. */
  errorGate?: number;
  /** Worst head's relative error of a section, measured with the format that the plan without errors gives it. */
  errorOf?: (layer: number, side: KvSide) => number | undefined;
}

/** Two sections per layer, keys first. Throws `argument-invalid` for a count of layers or a gate that cannot be. */
export function planPrecision(request: PrecisionRequest): SectionPlan[] {
  const { layers, errorGate = defaultErrorGate } = request;
  if (!Number.isInteger(layers) || layers < 1)
    throw new InfernodeError('argument-invalid', `layers: expected a whole number from 1 on, got ${layers}`);
  if (!(errorGate > 0))
    throw new InfernodeError('argument-invalid', `errorGate: expected a number over 0, got ${errorGate}`);
  return Array.from({ length: layers }, (_, layer) => planLayer(request, layer, errorGate)).flat();
}

interface Step {
  step: number;
  raisedFor: SectionPlan['raisedFor'][number][];
}

function planLayer(
  { layers, profile, errorOf }: PrecisionRequest,
  layer: number,
  gate: number,
): SectionPlan[] {
  const isEdge = layer < edgeLayers || layer >= layers - edgeLayers;
  const climb = (side: KvSide): Step => {
    const climbed: Step = { step: profileSteps[profile][side], raisedFor: [] };
    if (isEdge) raise(climbed, 'edge-layer');
    const error = errorOf?.(layer, side);
    // An error that is not a number means that something overflowed: over any gate.
    if (error !== undefined && !(error <= gate)) raise(climbed, 'error-gate');
    return climbed;
  };
  const keys = climb('keys');
  const values = climb('values');
  while (keys.step < values.step) raise(keys, 'keys-at-least-values');
  return [
    { layer, side: 'keys', format: ladders.keys[keys.step]!, raisedFor: keys.raisedFor },
    { layer, side: 'values', format: ladders.values[values.step]!, raisedFor: values.raisedFor },
  ];
}

function raise(section: Step, reason: Step['raisedFor'][number]): void {
  if (section.step === highest) return;
  section.step += 1;
  section.raisedFor.push(reason);
}
