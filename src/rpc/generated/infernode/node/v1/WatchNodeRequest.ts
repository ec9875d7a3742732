// Original file: proto/infernode/node/v1/node.proto


export interface WatchNodeRequest {
}

export interface WatchNodeRequest__Output {
}
