/**
 * GPU models as facts, one table for the planner and the simulators (design decision 16). Memory is what NVML reports
 * on the board (MiB), a little under the name's number; the rest is from NVIDIA's data sheets.
 */
export interface GpuProfile {
  name: string;
  memoryBytes: number;
  architecture: 'turing' | 'ampere' | 'ada' | 'hopper' | 'blackwell';
  computeCapability: string;
  /**
   * NVLink between the GPUs of one node: all with each other, two by two where somebody has put bridges on, or none. Without
   * it tensor parallelism runs over PCIe.
   */
  nvlink: 'all' | 'pairs' | 'none';
}

const mebibyte = 1024 ** 2;

export const gpuProfiles = {
  'T4-16': {
    name: 'Tesla T4',
    memoryBytes: 15_360 * mebibyte,
    architecture: 'turing',
    computeCapability: '7.5',
    nvlink: 'none',
  },
  'RTX-3090': {
    name: 'NVIDIA GeForce RTX 3090',
    memoryBytes: 24_576 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.6',
    nvlink: 'pairs',
  },
  'RTX-A6000': {
    name: 'NVIDIA RTX A6000',
    memoryBytes: 49_140 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.6',
    nvlink: 'pairs',
  },
  'A30-24': {
    name: 'NVIDIA A30',
    memoryBytes: 24_576 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: 'pairs',
  },
  'A10-24': {
    name: 'NVIDIA A10',
    memoryBytes: 23_028 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.6',
    nvlink: 'none',
  },
  L4: {
    name: 'NVIDIA L4',
    memoryBytes: 23_034 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: 'none',
  },
  'RTX-4090': {
    name: 'NVIDIA GeForce RTX 4090',
    memoryBytes: 24_564 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: 'none',
  },
  L40S: {
    name: 'NVIDIA L40S',
    memoryBytes: 46_068 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: 'none',
  },
  'RTX-6000-Ada': {
    name: 'NVIDIA RTX 6000 Ada Generation',
    memoryBytes: 49_140 * mebibyte,
    architecture: 'ada',
    computeCapability: '8.9',
    nvlink: 'none',
  },
  'A100-PCIe-40': {
    name: 'NVIDIA A100-PCIE-40GB',
    memoryBytes: 40_960 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: 'pairs',
  },
  'A100-PCIe-80': {
    name: 'NVIDIA A100 80GB PCIe',
    memoryBytes: 81_920 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: 'pairs',
  },
  'A100-40': {
    name: 'NVIDIA A100-SXM4-40GB',
    memoryBytes: 40_960 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: 'all',
  },
  'A100-80': {
    name: 'NVIDIA A100-SXM4-80GB',
    memoryBytes: 81_920 * mebibyte,
    architecture: 'ampere',
    computeCapability: '8.0',
    nvlink: 'all',
  },
  'H100-PCIe-80': {
    name: 'NVIDIA H100 PCIe',
    memoryBytes: 81_559 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: 'pairs',
  },
  'H100-NVL-94': {
    name: 'NVIDIA H100 NVL',
    memoryBytes: 95_830 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: 'pairs',
  },
  'H100-80': {
    name: 'NVIDIA H100 80GB HBM3',
    memoryBytes: 81_559 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: 'all',
  },
  'H200-141': {
    name: 'NVIDIA H200',
    memoryBytes: 143_771 * mebibyte,
    architecture: 'hopper',
    computeCapability: '9.0',
    nvlink: 'all',
  },
  'RTX-5090': {
    name: 'NVIDIA GeForce RTX 5090',
    memoryBytes: 32_607 * mebibyte,
    architecture: 'blackwell',
    computeCapability: '12.0',
    nvlink: 'none',
  },
  'B200-180': {
    name: 'NVIDIA B200',
    memoryBytes: 183_359 * mebibyte,
    architecture: 'blackwell',
    computeCapability: '10.0',
    nvlink: 'all',
  },
} as const satisfies Record<string, GpuProfile>;

export type GpuProfileName = keyof typeof gpuProfiles;
