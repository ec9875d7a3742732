// Original file: proto/infernode/cluster/v1/cluster.proto


export interface Endpoint {
  'id'?: (string);
  'node'?: (string);
  'engineId'?: (string);
  'model'?: (string);
  'url'?: (string);
  'engineState'?: (string);
  'eligible'?: (boolean);
  'reason'?: (string);
  'inFlight'?: (number);
  'maxConcurrent'?: (number);
  'capacityBlocks'?: (number | string);
  'sharedView'?: (boolean);
  '_capacityBlocks'?: "capacityBlocks";
}

export interface Endpoint__Output {
  'id': (string);
  'node': (string);
  'engineId': (string);
  'model': (string);
  'url': (string);
  'engineState': (string);
  'eligible': (boolean);
  'reason': (string);
  'inFlight': (number);
  'maxConcurrent': (number);
  'capacityBlocks'?: (number);
  'sharedView': (boolean);
  '_capacityBlocks'?: "capacityBlocks";
}
