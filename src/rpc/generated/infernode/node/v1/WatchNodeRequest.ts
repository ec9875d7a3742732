// Original file: proto/infernode/node/v1/node.proto


export interface WatchNodeRequest {
  'coordinator'?: (string);
}

export interface WatchNodeRequest__Output {
  'coordinator': (string);
}
