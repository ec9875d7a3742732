// Original file: proto/infernode/placement/v1/placement.proto

import type { Long } from '@grpc/proto-loader';

export interface PromptChain {
  'chainVersion'?: (string);
  'blocks'?: (number | string | Long)[];
  'tokens'?: (number);
}

export interface PromptChain__Output {
  'chainVersion': (string);
  'blocks': (string)[];
  'tokens': (number);
}
