// Original file: proto/infernode/node/v1/node.proto


export interface WatchEventsRequest {
  'afterSeq'?: (string);
  'follow'?: (boolean);
}

export interface WatchEventsRequest__Output {
  'afterSeq': (string);
  'follow': (boolean);
}
