// Original file: proto/infernode/node/v1/node.proto


export interface EngineLoad {
  'running'?: (number | string);
  'waiting'?: (number | string);
  'kvCacheUsageRatio'?: (number | string);
  'kvCacheBlocks'?: (number | string);
  'kvBlockTokens'?: (number | string);
  '_kvCacheUsageRatio'?: "kvCacheUsageRatio";
  '_kvCacheBlocks'?: "kvCacheBlocks";
  '_kvBlockTokens'?: "kvBlockTokens";
}

export interface EngineLoad__Output {
  'running': (number);
  'waiting': (number);
  'kvCacheUsageRatio'?: (number);
  'kvCacheBlocks'?: (number);
  'kvBlockTokens'?: (number);
  '_kvCacheUsageRatio'?: "kvCacheUsageRatio";
  '_kvCacheBlocks'?: "kvCacheBlocks";
  '_kvBlockTokens'?: "kvBlockTokens";
}
