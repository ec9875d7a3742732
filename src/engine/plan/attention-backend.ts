import type { GpuProfile } from '../../domain/gpu-profiles.js';
import type { KvDtype } from './kv-size.js';
import { usesMla, type ModelShape } from './model-shape.js';

export interface AttentionChoice {
  /** Name for `--attention-backend` (`vllm-contract` 1.4). */
  name: string;
  reason: string;
}

/** By GPU generation, model family and KV dtype; the engine itself falls back when its build lacks the choice. */
export function chooseAttentionBackend(model: ModelShape, gpu: GpuProfile, dtype: KvDtype): AttentionChoice {
  // The data-centre kernels of Blackwell are for compute capability 10; 12 does what Ada does.
  const architecture = gpu.computeCapability.startsWith('12.') ? 'ada' : gpu.architecture;
  if (usesMla(model)) return mlaBackend(architecture);
  if (dtype.name.startsWith('turboquant'))
    return { name: 'TURBOQUANT', reason: 'TurboQuant has a back end of its own' };
  if (dtype.scalePerTokenHead) return { name: 'TRITON_ATTN', reason: `${dtype.name} is a Triton format` };
  switch (architecture) {
    case 'turing':
      return { name: 'TRITON_ATTN', reason: 'FlashAttention needs Ampere or newer' };
    case 'blackwell':
      return { name: 'FLASHINFER', reason: 'FlashInfer with TensorRT-LLM kernels on Blackwell' };
    case 'hopper':
      return dtype.name === 'fp8_e5m2'
        ? { name: 'FLASHINFER', reason: 'e5m2 is not a FlashAttention format' }
        : { name: 'FLASH_ATTN', reason: 'FlashAttention 3 on Hopper' };
    default:
      return dtype.bitsPerElement === 8
        ? { name: 'FLASHINFER', reason: 'an fp8 cache needs FlashInfer where FlashAttention 3 is absent' }
        : { name: 'FLASH_ATTN', reason: 'FlashAttention 2; 3 is for Hopper' };
  }
}

function mlaBackend(architecture: GpuProfile['architecture']): AttentionChoice {
  if (architecture === 'blackwell') return { name: 'CUTLASS_MLA', reason: 'MLA on Blackwell' };
  if (architecture === 'hopper') return { name: 'FLASHMLA', reason: 'MLA on Hopper' };
  return { name: 'TRITON_MLA', reason: 'MLA before Hopper' };
}
