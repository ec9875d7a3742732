// Original file: proto/infernode/node/v1/node.proto


export interface GetNodeRequest {
}

export interface GetNodeRequest__Output {
}
