// Original file: proto/infernode/node/v1/node.proto


export interface CheckSet {
  'checks'?: (string)[];
}

export interface CheckSet__Output {
  'checks': (string)[];
}
