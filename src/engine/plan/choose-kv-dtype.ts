import { InfernodeError } from '../../domain/error-codes.js';
import type { GpuProfile } from '../../domain/gpu-profiles.js';
import { kvDtype, kvDtypes, type KvDtype } from './kv-size.js';
import { usesMla, type ModelShape } from './model-shape.js';
import type { PlanRequest } from './plan-engine.js';

/** KV dtypes to be tried, in this order. Throws `argument-invalid` for one that fits neither model nor GPU. */
export function candidateDtypes({ kvCacheDtype, gpu, model }: PlanRequest): KvDtype[] {
  if (kvCacheDtype !== null) {
    const chosen = supportedDtypes(model, gpu).find(({ name }) => name === kvCacheDtype);
    if (chosen) return [chosen];
    throw new InfernodeError(
      'argument-invalid',
      `KV dtype "${kvCacheDtype}" does not fit ${model.id} on ${gpu.name}; possible: ${supportedDtypes(
        model,
        gpu,
      )
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  const native8bit =
    gpu.architecture === 'hopper' || gpu.architecture === 'blackwell' || gpu.architecture === 'ada';
  return native8bit ? [kvDtype('auto'), kvDtype('fp8')] : [kvDtype('auto')];
}

/**
 * What this model on this GPU can use: MLA has no per-head scales, fp4 needs Blackwell, fp8 arithmetic Ada or newer, bfloat16
 * and TurboQuant Ampere or newer.
 */
export function supportedDtypes(model: ModelShape, gpu: GpuProfile): KvDtype[] {
  const sparse = model.kvGroups.some(({ kind }) => kind === 'indexer');
  const mla = ['auto', 'bfloat16', 'float16', 'fp8', 'fp8_e4m3', ...(sparse ? ['fp8_ds_mla'] : [])];
  const turing = ['auto', 'float16', 'int8_per_token_head', 'int4_per_token_head'];
  return kvDtypes.filter(({ name }) => {
    if (usesMla(model)) return mla.includes(name);
    if (name === 'fp8_inc' || name === 'fp8_ds_mla') return false;
    if (name === 'nvfp4') return gpu.architecture === 'blackwell' && gpu.computeCapability.startsWith('10.');
    return gpu.architecture === 'turing' ? turing.includes(name) : true;
  });
}
