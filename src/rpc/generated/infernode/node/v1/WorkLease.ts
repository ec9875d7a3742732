// Original file: proto/infernode/node/v1/node.proto


export interface WorkLease {
  'id'?: (string);
  'engineId'?: (string);
  'incarnation'?: (string);
  'tokens'?: (number);
  'uncachedTokens'?: (number);
  'chain'?: (Buffer | Uint8Array | string);
  'started'?: (boolean);
  'requestId'?: (string);
  'unstreamed'?: (boolean);
}

export interface WorkLease__Output {
  'id': (string);
  'engineId': (string);
  'incarnation': (string);
  'tokens': (number);
  'uncachedTokens': (number);
  'chain': (Buffer);
  'started': (boolean);
  'requestId': (string);
  'unstreamed': (boolean);
}
