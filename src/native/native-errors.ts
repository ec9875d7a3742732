/** The one place where errors of the addon become classes. */

/** NVML answered with an error. `code` is its enum name, such as `NVML_ERROR_GPU_IS_LOST`. */
export class NvmlError extends Error {
  override readonly name = 'NvmlError';
  constructor(
    readonly code: string,
    readonly call: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The CUDA driver answered with an error. `code` is its enum name, such as `CUDA_ERROR_OUT_OF_MEMORY`. */
export class CudaError extends Error {
  override readonly name = 'CudaError';
  constructor(
    readonly code: string,
    readonly call: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The driver is not open: absent, unusable, failing, or released. */
export class DriverUnavailableError extends Error {
  override readonly name = 'DriverUnavailableError';
}

/** A handle was used after `close()`. */
export class NativeClosedError extends Error {
  override readonly name = 'NativeClosedError';
}

/** The sampler's snapshot cannot be read: it is missing, or agent and sampler are of different builds. */
export class SnapshotUnusableError extends Error {
  override readonly name = 'SnapshotUnusableError';
}

/** Anything the addon threw, as one of the classes above; what it did not throw stays what it is. */
export function toNativeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, call } = error as Error & { code?: unknown; call?: unknown };
  if (typeof code !== 'string') return error;
  const options = { cause: error };
  if (code.startsWith('NVML_'))
    return new NvmlError(code, typeof call === 'string' ? call : '', error.message, options);
  if (code.startsWith('CUDA_'))
    return new CudaError(code, typeof call === 'string' ? call : '', error.message, options);
  if (code === 'INFERNODE_CLOSED') return new NativeClosedError(error.message, options);
  if (code === 'INFERNODE_SNAPSHOT_UNUSABLE') return new SnapshotUnusableError(error.message, options);
  if (code === 'INFERNODE_RELEASED' || code === 'INFERNODE_DRIVER_UNAVAILABLE')
    return new DriverUnavailableError(error.message, options);
  return error;
}

export function withNativeErrors<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw toNativeError(error);
  }
}

export async function awaitNative<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw toNativeError(error);
  }
}
