// Original file: proto/infernode/node/v1/node.proto


export interface UncordonDeviceRequest {
  'device'?: (string);
  'holder'?: (string);
  'expectedEpoch'?: (string);
}

export interface UncordonDeviceRequest__Output {
  'device': (string);
  'holder': (string);
  'expectedEpoch': (string);
}
