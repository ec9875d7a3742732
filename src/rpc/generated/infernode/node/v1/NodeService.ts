// Original file: proto/infernode/node/v1/node.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CordonDeviceRequest as _infernode_node_v1_CordonDeviceRequest, CordonDeviceRequest__Output as _infernode_node_v1_CordonDeviceRequest__Output } from '../../../infernode/node/v1/CordonDeviceRequest.js';
import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from '../../../infernode/node/v1/Device.js';
import type { DrainEngineRequest as _infernode_node_v1_DrainEngineRequest, DrainEngineRequest__Output as _infernode_node_v1_DrainEngineRequest__Output } from '../../../infernode/node/v1/DrainEngineRequest.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';
import type { GetNodeRequest as _infernode_node_v1_GetNodeRequest, GetNodeRequest__Output as _infernode_node_v1_GetNodeRequest__Output } from '../../../infernode/node/v1/GetNodeRequest.js';
import type { ListEnginesRequest as _infernode_node_v1_ListEnginesRequest, ListEnginesRequest__Output as _infernode_node_v1_ListEnginesRequest__Output } from '../../../infernode/node/v1/ListEnginesRequest.js';
import type { ListEnginesResponse as _infernode_node_v1_ListEnginesResponse, ListEnginesResponse__Output as _infernode_node_v1_ListEnginesResponse__Output } from '../../../infernode/node/v1/ListEnginesResponse.js';
import type { Node as _infernode_node_v1_Node, Node__Output as _infernode_node_v1_Node__Output } from '../../../infernode/node/v1/Node.js';
import type { NodeUpdate as _infernode_node_v1_NodeUpdate, NodeUpdate__Output as _infernode_node_v1_NodeUpdate__Output } from '../../../infernode/node/v1/NodeUpdate.js';
import type { StartEngineRequest as _infernode_node_v1_StartEngineRequest, StartEngineRequest__Output as _infernode_node_v1_StartEngineRequest__Output } from '../../../infernode/node/v1/StartEngineRequest.js';
import type { StopEngineRequest as _infernode_node_v1_StopEngineRequest, StopEngineRequest__Output as _infernode_node_v1_StopEngineRequest__Output } from '../../../infernode/node/v1/StopEngineRequest.js';
import type { UncordonDeviceRequest as _infernode_node_v1_UncordonDeviceRequest, UncordonDeviceRequest__Output as _infernode_node_v1_UncordonDeviceRequest__Output } from '../../../infernode/node/v1/UncordonDeviceRequest.js';
import type { WatchNodeRequest as _infernode_node_v1_WatchNodeRequest, WatchNodeRequest__Output as _infernode_node_v1_WatchNodeRequest__Output } from '../../../infernode/node/v1/WatchNodeRequest.js';
import type { WorkAck as _infernode_node_v1_WorkAck, WorkAck__Output as _infernode_node_v1_WorkAck__Output } from '../../../infernode/node/v1/WorkAck.js';
import type { WorkReport as _infernode_node_v1_WorkReport, WorkReport__Output as _infernode_node_v1_WorkReport__Output } from '../../../infernode/node/v1/WorkReport.js';

export interface NodeServiceClient extends grpc.Client {
  CordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  CordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  CordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  CordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  cordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  cordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  cordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  cordonDevice(argument: _infernode_node_v1_CordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  
  DrainEngine(argument: _infernode_node_v1_DrainEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  DrainEngine(argument: _infernode_node_v1_DrainEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  DrainEngine(argument: _infernode_node_v1_DrainEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  DrainEngine(argument: _infernode_node_v1_DrainEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  drainEngine(argument: _infernode_node_v1_DrainEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  drainEngine(argument: _infernode_node_v1_DrainEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  drainEngine(argument: _infernode_node_v1_DrainEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  drainEngine(argument: _infernode_node_v1_DrainEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
  GetNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  
  ReportWork(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  ReportWork(options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  reportWork(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  reportWork(options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  
  StartEngine(argument: _infernode_node_v1_StartEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StartEngine(argument: _infernode_node_v1_StartEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StartEngine(argument: _infernode_node_v1_StartEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StartEngine(argument: _infernode_node_v1_StartEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  startEngine(argument: _infernode_node_v1_StartEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  startEngine(argument: _infernode_node_v1_StartEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  startEngine(argument: _infernode_node_v1_StartEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  startEngine(argument: _infernode_node_v1_StartEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
  StopEngine(argument: _infernode_node_v1_StopEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StopEngine(argument: _infernode_node_v1_StopEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StopEngine(argument: _infernode_node_v1_StopEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  StopEngine(argument: _infernode_node_v1_StopEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  stopEngine(argument: _infernode_node_v1_StopEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  stopEngine(argument: _infernode_node_v1_StopEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  stopEngine(argument: _infernode_node_v1_StopEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  stopEngine(argument: _infernode_node_v1_StopEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  
  WatchNode(argument: _infernode_node_v1_WatchNodeRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  WatchNode(argument: _infernode_node_v1_WatchNodeRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  watchNode(argument: _infernode_node_v1_WatchNodeRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  watchNode(argument: _infernode_node_v1_WatchNodeRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  
}

export interface NodeServiceHandlers extends grpc.UntypedServiceImplementation {
  CordonDevice: grpc.handleUnaryCall<_infernode_node_v1_CordonDeviceRequest__Output, _infernode_node_v1_Device>;
  
  DrainEngine: grpc.handleUnaryCall<_infernode_node_v1_DrainEngineRequest__Output, _infernode_node_v1_Engine>;
  
  GetNode: grpc.handleUnaryCall<_infernode_node_v1_GetNodeRequest__Output, _infernode_node_v1_Node>;
  
  ListEngines: grpc.handleUnaryCall<_infernode_node_v1_ListEnginesRequest__Output, _infernode_node_v1_ListEnginesResponse>;
  
  ReportWork: grpc.handleBidiStreamingCall<_infernode_node_v1_WorkReport__Output, _infernode_node_v1_WorkAck>;
  
  StartEngine: grpc.handleUnaryCall<_infernode_node_v1_StartEngineRequest__Output, _infernode_node_v1_Engine>;
  
  StopEngine: grpc.handleUnaryCall<_infernode_node_v1_StopEngineRequest__Output, _infernode_node_v1_Engine>;
  
  UncordonDevice: grpc.handleUnaryCall<_infernode_node_v1_UncordonDeviceRequest__Output, _infernode_node_v1_Device>;
  
  WatchNode: grpc.handleServerStreamingCall<_infernode_node_v1_WatchNodeRequest__Output, _infernode_node_v1_NodeUpdate>;
  
}

export interface NodeServiceDefinition extends grpc.ServiceDefinition {
  CordonDevice: MethodDefinition<_infernode_node_v1_CordonDeviceRequest, _infernode_node_v1_Device, _infernode_node_v1_CordonDeviceRequest__Output, _infernode_node_v1_Device__Output>
  DrainEngine: MethodDefinition<_infernode_node_v1_DrainEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_DrainEngineRequest__Output, _infernode_node_v1_Engine__Output>
  GetNode: MethodDefinition<_infernode_node_v1_GetNodeRequest, _infernode_node_v1_Node, _infernode_node_v1_GetNodeRequest__Output, _infernode_node_v1_Node__Output>
  ListEngines: MethodDefinition<_infernode_node_v1_ListEnginesRequest, _infernode_node_v1_ListEnginesResponse, _infernode_node_v1_ListEnginesRequest__Output, _infernode_node_v1_ListEnginesResponse__Output>
  ReportWork: MethodDefinition<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck, _infernode_node_v1_WorkReport__Output, _infernode_node_v1_WorkAck__Output>
  StartEngine: MethodDefinition<_infernode_node_v1_StartEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_StartEngineRequest__Output, _infernode_node_v1_Engine__Output>
  StopEngine: MethodDefinition<_infernode_node_v1_StopEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_StopEngineRequest__Output, _infernode_node_v1_Engine__Output>
  UncordonDevice: MethodDefinition<_infernode_node_v1_UncordonDeviceRequest, _infernode_node_v1_Device, _infernode_node_v1_UncordonDeviceRequest__Output, _infernode_node_v1_Device__Output>
  WatchNode: MethodDefinition<_infernode_node_v1_WatchNodeRequest, _infernode_node_v1_NodeUpdate, _infernode_node_v1_WatchNodeRequest__Output, _infernode_node_v1_NodeUpdate__Output>
}
