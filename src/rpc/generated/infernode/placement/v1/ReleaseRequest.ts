// Original file: proto/infernode/placement/v1/placement.proto


export interface ReleaseRequest {
  'leaseId'?: (string);
  'outcome'?: (string);
}

export interface ReleaseRequest__Output {
  'leaseId': (string);
  'outcome': (string);
}
