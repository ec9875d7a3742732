// Original file: proto/infernode/node/v1/node.proto


export interface ListConditionsRequest {
}

export interface ListConditionsRequest__Output {
}
