/** What an Xid does to a process that uses the device: it hangs in a call, or it gets a CUDA error and dies. */
export type XidEffect = { effect: 'hang' } | { effect: 'die'; cudaError: string };

const hangs: readonly number[] = [
  46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 144, 145, 146, 147, 148, 149, 150, 154,
];

const deadly: Readonly<Record<number, string>> = {
  13: 'an illegal instruction was encountered',
  31: 'an illegal memory access was encountered',
  43: 'unspecified launch failure',
  94: 'uncorrectable ECC error encountered',
};

/** Null for codes that leave running work alone. */
export function xidEffect(code: number): XidEffect | null {
  if (hangs.includes(code)) return { effect: 'hang' };
  const cudaError = deadly[code];
  return cudaError ? { effect: 'die', cudaError } : null;
}

/** What CUDA says to a new process on a device that such an Xid left behind and nobody has reset. */
export function startErrorAfter(code: number): string {
  if (code === 79) return 'RuntimeError: No CUDA GPUs are available';
  return code === 48 || code === 95 || code === 140
    ? 'torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered'
    : 'torch.AcceleratorError: CUDA error: unknown error';
}
