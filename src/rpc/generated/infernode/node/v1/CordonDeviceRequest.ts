// Original file: proto/infernode/node/v1/node.proto


export interface CordonDeviceRequest {
  'device'?: (string);
  'holder'?: (string);
  'reason'?: (string);
  'expectedEpoch'?: (string);
}

export interface CordonDeviceRequest__Output {
  'device': (string);
  'holder': (string);
  'reason': (string);
  'expectedEpoch': (string);
}
