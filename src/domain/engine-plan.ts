/** What a caller wants of a plan for a node's own devices; 0 and empty leave it to the planner. */
export interface PlanWish {
  /** Of the planner's catalogue. */
  model: string;
  sequences: number;
  contextTokens: number;
  weightBits: number;
  kvCacheDtype: string;
  /** Engine whose batch sizes the CUDA graphs are planned for. */
  engineId: string;
}

export interface NodePlan {
  tensorParallelSize: number;
  pipelineParallelSize: number;
  kvCacheDtype: string;
  kvBytesPerToken: Record<string, number>;
  kvCacheTokens: number;
  maxModelLen: number;
  maxNumSeqs: number;
  cudagraphCaptureSizes: number[];
  attentionBackend: string;
  command: string[];
  env: Record<string, string>;
  notes: string[];
  enginesThatFit: number;
}
