// Original file: proto/infernode/node/v1/node.proto


export interface GetIncidentRequest {
  'id'?: (string);
}

export interface GetIncidentRequest__Output {
  'id': (string);
}
