// Original file: proto/infernode/node/v1/node.proto


export interface CudaGraphs {
  'state'?: (string);
  'count'?: (number);
  'seconds'?: (number | string);
  'memoryBytes'?: (number | string);
  'mode'?: (string);
  'reason'?: (string);
  'degradeStep'?: (number);
}

export interface CudaGraphs__Output {
  'state': (string);
  'count': (number);
  'seconds': (number);
  'memoryBytes': (number);
  'mode': (string);
  'reason': (string);
  'degradeStep': (number);
}
