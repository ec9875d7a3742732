// Original file: proto/infernode/node/v1/node.proto


export interface Heartbeat {
  'epoch'?: (string);
  'revision'?: (string);
}

export interface Heartbeat__Output {
  'epoch': (string);
  'revision': (string);
}
