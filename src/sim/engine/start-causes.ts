import type { LoadPhase } from './load-engine.js';

/** How a start can fail on demand: the phase it fails in and the last line of the traceback. */
export interface StartCause {
  phase: LoadPhase;
  traceback: string;
}

/** Causes for `{"fault":"refuse-start","cause":...}`; texts are what vLLM prints. */
export const startCauses: Readonly<Record<string, StartCause>> = {
  memory: {
    phase: 'init',
    traceback:
      'ValueError: Free memory on device cuda:0 (3.12/79.65 GiB) on startup is less than desired GPU memory utilization (0.92, 73.28 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.',
  },
  profiling: {
    phase: 'kv',
    traceback:
      'AssertionError: Error in memory profiling. Initial free memory 40.11 GiB, current free memory 61.20 GiB. This happens when other processes sharing the same container release GPU memory while vLLM is profiling during initialization.',
  },
  'no-kv': {
    phase: 'kv',
    traceback:
      'ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.',
  },
  'max-model-len': {
    phase: 'kv',
    traceback:
      "ValueError: To serve at least one request with the model's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV cache memory (7.20 GiB). Based on the available memory, the estimated maximum model length is 58976.",
  },
  oom: {
    phase: 'weights',
    traceback:
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 79.65 GiB of which 1.07 GiB is free.',
  },
  model: {
    phase: 'init',
    traceback:
      "OSError: no/such-model is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
  },
  gated: {
    phase: 'init',
    traceback: 'OSError: You are trying to access a gated repo. Make sure to have access to it.',
  },
  nccl: {
    phase: 'init',
    traceback: 'RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)',
  },
  cuda: {
    phase: 'init',
    traceback: 'torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered',
  },
  shm: { phase: 'init', traceback: 'OSError: [Errno 14] Bad address' },
  validation: {
    phase: 'init',
    traceback:
      'pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, Model architectures are not supported for now.',
  },
  compile: {
    phase: 'compile',
    traceback:
      'RuntimeError: vLLM failed to compile the model. The most likely reason for this is a corrupted compile cache artifact.',
  },
  graphs: {
    phase: 'graphs',
    traceback:
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 79.65 GiB of which 301.56 MiB is free.',
  },
  capture: {
    phase: 'graphs',
    traceback: 'torch.AcceleratorError: CUDA error: operation not permitted when stream is capturing',
  },
  timeout: {
    phase: 'ready',
    traceback: 'TimeoutError: Timed out waiting for engine core processes to start.',
  },
};
