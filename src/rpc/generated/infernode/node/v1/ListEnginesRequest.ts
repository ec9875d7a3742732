// Original file: proto/infernode/node/v1/node.proto


export interface ListEnginesRequest {
}

export interface ListEnginesRequest__Output {
}
