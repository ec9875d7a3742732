// Original file: proto/infernode/node/v1/node.proto


export interface AcknowledgeConditionRequest {
  'device'?: (string);
  'check'?: (string);
  'holder'?: (string);
  'expectedEpoch'?: (string);
}

export interface AcknowledgeConditionRequest__Output {
  'device': (string);
  'check': (string);
  'holder': (string);
  'expectedEpoch': (string);
}
