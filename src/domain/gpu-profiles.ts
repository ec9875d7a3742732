/**
 * GPU models as facts, one table for the planner and the simulators (design decision 16). Memory is what NVML reports
 * on the board (MiB), a little under the name's number; the rest is from NVIDIA's data sheets.
 */
export interface GpuProfile {
  name: string;
  memoryBytes: number;
  architecture: 'turing' | 'ampere' | 'ada' | 'hopper' | 'blackwell';
  computeCapability: string;
  /** NVLink between the GPUs of one node; without it tensor parallelism runs over PCIe. */
  nvlink: boolean;
}

const mebibyte = 1024 ** 2;

export const gpuProfiles = {
  'T4-16': {
    name: 'Tesla T4',
    memoryBytes: 15_360 * mebibyte,
    architecture: 'turing',
    computeCapability: '7.5',
    nvlink: false,
  },
  'A10-24': {
    name: 'NVIDIA A10',
    memoryBytes: 23_028 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.6',
    nvlink: false,
  },
  L4: {
    name: 'NVIDIA L4',
    memoryBytes: 23_034 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: false,
  },
  L40S: {
    name: 'NVIDIA L40S',
    memoryBytes: 46_068 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: false,
  },
  'A100-40': {
    name: 'NVIDIA A100-SXM4-40GB',
    memoryBytes: 40_960 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: true,
  },
  'A100-80': {
    name: 'NVIDIA A100-SXM4-80GB',
    memoryBytes: 81_920 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: true,
  },
  'H100-80': {
    name: 'NVIDIA H100 80GB HBM3',
    memoryBytes: 81_559 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: true,
  },
  'H200-141': {
    name: 'NVIDIA H200',
    memoryBytes: 143_771 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: true,
  },
  'B200-180': {
    name: 'NVIDIA B200',
    memoryBytes: 183_359 * mebibyte,
    architecture: 'blackwell',
    computeCapability: '10.0',
    nvlink: true,
  },
} as const satisfies Record<string, GpuProfile>;

export type GpuProfileName = keyof typeof gpuProfiles;
