// Original file: proto/infernode/cluster/v1/cluster.proto


export interface Model {
  'name'?: (string);
  'aliases'?: (string)[];
  'strategy'?: (string);
  'endpoints'?: (number);
  'eligibleEndpoints'?: (number);
  'inFlight'?: (number);
}

export interface Model__Output {
  'name': (string);
  'aliases': (string)[];
  'strategy': (string);
  'endpoints': (number);
  'eligibleEndpoints': (number);
  'inFlight': (number);
}
