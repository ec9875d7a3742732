// Original file: proto/infernode/node/v1/node.proto


export interface LogChunk {
  'text'?: (string);
}

export interface LogChunk__Output {
  'text': (string);
}
