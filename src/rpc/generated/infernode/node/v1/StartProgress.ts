// Original file: proto/infernode/node/v1/node.proto


export interface StartProgress {
  'phase'?: (string);
  'done'?: (number);
  'total'?: (number);
  'part'?: (string);
  '_done'?: "done";
  '_total'?: "total";
}

export interface StartProgress__Output {
  'phase': (string);
  'done'?: (number);
  'total'?: (number);
  'part': (string);
  '_done'?: "done";
  '_total'?: "total";
}
