// Original file: proto/infernode/node/v1/node.proto


export interface PlanResponse {
  'tensorParallelSize'?: (number);
  'pipelineParallelSize'?: (number);
  'kvCacheDtype'?: (string);
  'kvBytesPerToken'?: ({[key: string]: number | string});
  'kvCacheTokens'?: (number | string);
  'maxModelLen'?: (number);
  'maxNumSeqs'?: (number);
  'cudagraphCaptureSizes'?: (number)[];
  'attentionBackend'?: (string);
  'command'?: (string)[];
  'env'?: ({[key: string]: string});
  'notes'?: (string)[];
  'enginesThatFit'?: (number);
}

export interface PlanResponse__Output {
  'tensorParallelSize': (number);
  'pipelineParallelSize': (number);
  'kvCacheDtype': (string);
  'kvBytesPerToken': ({[key: string]: number});
  'kvCacheTokens': (number);
  'maxModelLen': (number);
  'maxNumSeqs': (number);
  'cudagraphCaptureSizes': (number)[];
  'attentionBackend': (string);
  'command': (string)[];
  'env': ({[key: string]: string});
  'notes': (string)[];
  'enginesThatFit': (number);
}
