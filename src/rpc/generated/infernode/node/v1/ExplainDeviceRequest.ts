// Original file: proto/infernode/node/v1/node.proto


export interface ExplainDeviceRequest {
  'device'?: (string);
}

export interface ExplainDeviceRequest__Output {
  'device': (string);
}
