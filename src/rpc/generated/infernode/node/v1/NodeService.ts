// Original file: proto/infernode/node/v1/node.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AcknowledgeConditionRequest as _infernode_node_v1_AcknowledgeConditionRequest, AcknowledgeConditionRequest__Output as _infernode_node_v1_AcknowledgeConditionRequest__Output } from '../../../infernode/node/v1/AcknowledgeConditionRequest.js';
import type { AcquireDriverRequest as _infernode_node_v1_AcquireDriverRequest, AcquireDriverRequest__Output as _infernode_node_v1_AcquireDriverRequest__Output } from '../../../infernode/node/v1/AcquireDriverRequest.js';
import type { CordonDeviceRequest as _infernode_node_v1_CordonDeviceRequest, CordonDeviceRequest__Output as _infernode_node_v1_CordonDeviceRequest__Output } from '../../../infernode/node/v1/CordonDeviceRequest.js';
import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from '../../../infernode/node/v1/Device.js';
import type { DrainEngineRequest as _infernode_node_v1_DrainEngineRequest, DrainEngineRequest__Output as _infernode_node_v1_DrainEngineRequest__Output } from '../../../infernode/node/v1/DrainEngineRequest.js';
import type { Driver as _infernode_node_v1_Driver, Driver__Output as _infernode_node_v1_Driver__Output } from '../../../infernode/node/v1/Driver.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';
import type { ExplainDeviceRequest as _infernode_node_v1_ExplainDeviceRequest, ExplainDeviceRequest__Output as _infernode_node_v1_ExplainDeviceRequest__Output } from '../../../infernode/node/v1/ExplainDeviceRequest.js';
import type { ExplainDeviceResponse as _infernode_node_v1_ExplainDeviceResponse, ExplainDeviceResponse__Output as _infernode_node_v1_ExplainDeviceResponse__Output } from '../../../infernode/node/v1/ExplainDeviceResponse.js';
import type { ExplainEngineRequest as _infernode_node_v1_ExplainEngineRequest, ExplainEngineRequest__Output as _infernode_node_v1_ExplainEngineRequest__Output } from '../../../infernode/node/v1/ExplainEngineRequest.js';
import type { ExplainEngineResponse as _infernode_node_v1_ExplainEngineResponse, ExplainEngineResponse__Output as _infernode_node_v1_ExplainEngineResponse__Output } from '../../../infernode/node/v1/ExplainEngineResponse.js';
import type { GetIncidentRequest as _infernode_node_v1_GetIncidentRequest, GetIncidentRequest__Output as _infernode_node_v1_GetIncidentRequest__Output } from '../../../infernode/node/v1/GetIncidentRequest.js';
import type { GetNodeRequest as _infernode_node_v1_GetNodeRequest, GetNodeRequest__Output as _infernode_node_v1_GetNodeRequest__Output } from '../../../infernode/node/v1/GetNodeRequest.js';
import type { HistoryEntry as _infernode_node_v1_HistoryEntry, HistoryEntry__Output as _infernode_node_v1_HistoryEntry__Output } from '../../../infernode/node/v1/HistoryEntry.js';
import type { Incident as _infernode_node_v1_Incident, Incident__Output as _infernode_node_v1_Incident__Output } from '../../../infernode/node/v1/Incident.js';
import type { ListConditionsRequest as _infernode_node_v1_ListConditionsRequest, ListConditionsRequest__Output as _infernode_node_v1_ListConditionsRequest__Output } from '../../../infernode/node/v1/ListConditionsRequest.js';
import type { ListConditionsResponse as _infernode_node_v1_ListConditionsResponse, ListConditionsResponse__Output as _infernode_node_v1_ListConditionsResponse__Output } from '../../../infernode/node/v1/ListConditionsResponse.js';
import type { ListEnginesRequest as _infernode_node_v1_ListEnginesRequest, ListEnginesRequest__Output as _infernode_node_v1_ListEnginesRequest__Output } from '../../../infernode/node/v1/ListEnginesRequest.js';
import type { ListEnginesResponse as _infernode_node_v1_ListEnginesResponse, ListEnginesResponse__Output as _infernode_node_v1_ListEnginesResponse__Output } from '../../../infernode/node/v1/ListEnginesResponse.js';
import type { LogChunk as _infernode_node_v1_LogChunk, LogChunk__Output as _infernode_node_v1_LogChunk__Output } from '../../../infernode/node/v1/LogChunk.js';
import type { Node as _infernode_node_v1_Node, Node__Output as _infernode_node_v1_Node__Output } from '../../../infernode/node/v1/Node.js';
import type { NodeUpdate as _infernode_node_v1_NodeUpdate, NodeUpdate__Output as _infernode_node_v1_NodeUpdate__Output } from '../../../infernode/node/v1/NodeUpdate.js';
import type { PlanRequest as _infernode_node_v1_PlanRequest, PlanRequest__Output as _infernode_node_v1_PlanRequest__Output } from '../../../infernode/node/v1/PlanRequest.js';
import type { PlanResponse as _infernode_node_v1_PlanResponse, PlanResponse__Output as _infernode_node_v1_PlanResponse__Output } from '../../../infernode/node/v1/PlanResponse.js';
import type { ReleaseDriverRequest as _infernode_node_v1_ReleaseDriverRequest, ReleaseDriverRequest__Output as _infernode_node_v1_ReleaseDriverRequest__Output } from '../../../infernode/node/v1/ReleaseDriverRequest.js';
import type { RestartEngineRequest as _infernode_node_v1_RestartEngineRequest, RestartEngineRequest__Output as _infernode_node_v1_RestartEngineRequest__Output } from '../../../infernode/node/v1/RestartEngineRequest.js';
import type { SleepEngineRequest as _infernode_node_v1_SleepEngineRequest, SleepEngineRequest__Output as _infernode_node_v1_SleepEngineRequest__Output } from '../../../infernode/node/v1/SleepEngineRequest.js';
import type { StartEngineRequest as _infernode_node_v1_StartEngineRequest, StartEngineRequest__Output as _infernode_node_v1_StartEngineRequest__Output } from '../../../infernode/node/v1/StartEngineRequest.js';
import type { StopEngineRequest as _infernode_node_v1_StopEngineRequest, StopEngineRequest__Output as _infernode_node_v1_StopEngineRequest__Output } from '../../../infernode/node/v1/StopEngineRequest.js';
import type { TailEngineLogRequest as _infernode_node_v1_TailEngineLogRequest, TailEngineLogRequest__Output as _infernode_node_v1_TailEngineLogRequest__Output } from '../../../infernode/node/v1/TailEngineLogRequest.js';
import type { UncordonDeviceRequest as _infernode_node_v1_UncordonDeviceRequest, UncordonDeviceRequest__Output as _infernode_node_v1_UncordonDeviceRequest__Output } from '../../../infernode/node/v1/UncordonDeviceRequest.js';
import type { WakeEngineRequest as _infernode_node_v1_WakeEngineRequest, WakeEngineRequest__Output as _infernode_node_v1_WakeEngineRequest__Output } from '../../../infernode/node/v1/WakeEngineRequest.js';
import type { WatchEventsRequest as _infernode_node_v1_WatchEventsRequest, WatchEventsRequest__Output as _infernode_node_v1_WatchEventsRequest__Output } from '../../../infernode/node/v1/WatchEventsRequest.js';
import type { WatchNodeRequest as _infernode_node_v1_WatchNodeRequest, WatchNodeRequest__Output as _infernode_node_v1_WatchNodeRequest__Output } from '../../../infernode/node/v1/WatchNodeRequest.js';
import type { WorkAck as _infernode_node_v1_WorkAck, WorkAck__Output as _infernode_node_v1_WorkAck__Output } from '../../../infernode/node/v1/WorkAck.js';
import type { WorkReport as _infernode_node_v1_WorkReport, WorkReport__Output as _infernode_node_v1_WorkReport__Output } from '../../../infernode/node/v1/WorkReport.js';

export interface NodeServiceClient extends grpc.Client {
  AcknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  AcknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  AcknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  AcknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  acknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  acknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  acknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  acknowledgeCondition(argument: _infernode_node_v1_AcknowledgeConditionRequest, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  
  AcquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  AcquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  AcquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  AcquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  acquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  acquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  acquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  acquireDriver(argument: _infernode_node_v1_AcquireDriverRequest, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  
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
  
  ExplainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  ExplainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  ExplainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  ExplainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  explainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  explainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  explainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  explainDevice(argument: _infernode_node_v1_ExplainDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_ExplainDeviceResponse__Output>): grpc.ClientUnaryCall;
  
  ExplainEngine(argument: _infernode_node_v1_ExplainEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  ExplainEngine(argument: _infernode_node_v1_ExplainEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  ExplainEngine(argument: _infernode_node_v1_ExplainEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  ExplainEngine(argument: _infernode_node_v1_ExplainEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  explainEngine(argument: _infernode_node_v1_ExplainEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  explainEngine(argument: _infernode_node_v1_ExplainEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  explainEngine(argument: _infernode_node_v1_ExplainEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  explainEngine(argument: _infernode_node_v1_ExplainEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_ExplainEngineResponse__Output>): grpc.ClientUnaryCall;
  
  GetIncident(argument: _infernode_node_v1_GetIncidentRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  GetIncident(argument: _infernode_node_v1_GetIncidentRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  GetIncident(argument: _infernode_node_v1_GetIncidentRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  GetIncident(argument: _infernode_node_v1_GetIncidentRequest, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  getIncident(argument: _infernode_node_v1_GetIncidentRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  getIncident(argument: _infernode_node_v1_GetIncidentRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  getIncident(argument: _infernode_node_v1_GetIncidentRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  getIncident(argument: _infernode_node_v1_GetIncidentRequest, callback: grpc.requestCallback<_infernode_node_v1_Incident__Output>): grpc.ClientUnaryCall;
  
  GetNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  GetNode(argument: _infernode_node_v1_GetNodeRequest, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  getNode(argument: _infernode_node_v1_GetNodeRequest, callback: grpc.requestCallback<_infernode_node_v1_Node__Output>): grpc.ClientUnaryCall;
  
  ListConditions(argument: _infernode_node_v1_ListConditionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  ListConditions(argument: _infernode_node_v1_ListConditionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  ListConditions(argument: _infernode_node_v1_ListConditionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  ListConditions(argument: _infernode_node_v1_ListConditionsRequest, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  listConditions(argument: _infernode_node_v1_ListConditionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  listConditions(argument: _infernode_node_v1_ListConditionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  listConditions(argument: _infernode_node_v1_ListConditionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  listConditions(argument: _infernode_node_v1_ListConditionsRequest, callback: grpc.requestCallback<_infernode_node_v1_ListConditionsResponse__Output>): grpc.ClientUnaryCall;
  
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  ListEngines(argument: _infernode_node_v1_ListEnginesRequest, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  listEngines(argument: _infernode_node_v1_ListEnginesRequest, callback: grpc.requestCallback<_infernode_node_v1_ListEnginesResponse__Output>): grpc.ClientUnaryCall;
  
  Plan(argument: _infernode_node_v1_PlanRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  Plan(argument: _infernode_node_v1_PlanRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  Plan(argument: _infernode_node_v1_PlanRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  Plan(argument: _infernode_node_v1_PlanRequest, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  plan(argument: _infernode_node_v1_PlanRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  plan(argument: _infernode_node_v1_PlanRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  plan(argument: _infernode_node_v1_PlanRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  plan(argument: _infernode_node_v1_PlanRequest, callback: grpc.requestCallback<_infernode_node_v1_PlanResponse__Output>): grpc.ClientUnaryCall;
  
  ReleaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  ReleaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  ReleaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  ReleaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  releaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  releaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  releaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  releaseDriver(argument: _infernode_node_v1_ReleaseDriverRequest, callback: grpc.requestCallback<_infernode_node_v1_Driver__Output>): grpc.ClientUnaryCall;
  
  ReportWork(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  ReportWork(options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  reportWork(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  reportWork(options?: grpc.CallOptions): grpc.ClientDuplexStream<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck__Output>;
  
  RestartEngine(argument: _infernode_node_v1_RestartEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  RestartEngine(argument: _infernode_node_v1_RestartEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  RestartEngine(argument: _infernode_node_v1_RestartEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  RestartEngine(argument: _infernode_node_v1_RestartEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  restartEngine(argument: _infernode_node_v1_RestartEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  restartEngine(argument: _infernode_node_v1_RestartEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  restartEngine(argument: _infernode_node_v1_RestartEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  restartEngine(argument: _infernode_node_v1_RestartEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
  SleepEngine(argument: _infernode_node_v1_SleepEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  SleepEngine(argument: _infernode_node_v1_SleepEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  SleepEngine(argument: _infernode_node_v1_SleepEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  SleepEngine(argument: _infernode_node_v1_SleepEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  sleepEngine(argument: _infernode_node_v1_SleepEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  sleepEngine(argument: _infernode_node_v1_SleepEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  sleepEngine(argument: _infernode_node_v1_SleepEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  sleepEngine(argument: _infernode_node_v1_SleepEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
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
  
  TailEngineLog(argument: _infernode_node_v1_TailEngineLogRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_LogChunk__Output>;
  TailEngineLog(argument: _infernode_node_v1_TailEngineLogRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_LogChunk__Output>;
  tailEngineLog(argument: _infernode_node_v1_TailEngineLogRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_LogChunk__Output>;
  tailEngineLog(argument: _infernode_node_v1_TailEngineLogRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_LogChunk__Output>;
  
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  UncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  uncordonDevice(argument: _infernode_node_v1_UncordonDeviceRequest, callback: grpc.requestCallback<_infernode_node_v1_Device__Output>): grpc.ClientUnaryCall;
  
  WakeEngine(argument: _infernode_node_v1_WakeEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  WakeEngine(argument: _infernode_node_v1_WakeEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  WakeEngine(argument: _infernode_node_v1_WakeEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  WakeEngine(argument: _infernode_node_v1_WakeEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  wakeEngine(argument: _infernode_node_v1_WakeEngineRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  wakeEngine(argument: _infernode_node_v1_WakeEngineRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  wakeEngine(argument: _infernode_node_v1_WakeEngineRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  wakeEngine(argument: _infernode_node_v1_WakeEngineRequest, callback: grpc.requestCallback<_infernode_node_v1_Engine__Output>): grpc.ClientUnaryCall;
  
  WatchEvents(argument: _infernode_node_v1_WatchEventsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_HistoryEntry__Output>;
  WatchEvents(argument: _infernode_node_v1_WatchEventsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_HistoryEntry__Output>;
  watchEvents(argument: _infernode_node_v1_WatchEventsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_HistoryEntry__Output>;
  watchEvents(argument: _infernode_node_v1_WatchEventsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_HistoryEntry__Output>;
  
  WatchNode(argument: _infernode_node_v1_WatchNodeRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  WatchNode(argument: _infernode_node_v1_WatchNodeRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  watchNode(argument: _infernode_node_v1_WatchNodeRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  watchNode(argument: _infernode_node_v1_WatchNodeRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_infernode_node_v1_NodeUpdate__Output>;
  
}

export interface NodeServiceHandlers extends grpc.UntypedServiceImplementation {
  AcknowledgeCondition: grpc.handleUnaryCall<_infernode_node_v1_AcknowledgeConditionRequest__Output, _infernode_node_v1_ListConditionsResponse>;
  
  AcquireDriver: grpc.handleUnaryCall<_infernode_node_v1_AcquireDriverRequest__Output, _infernode_node_v1_Driver>;
  
  CordonDevice: grpc.handleUnaryCall<_infernode_node_v1_CordonDeviceRequest__Output, _infernode_node_v1_Device>;
  
  DrainEngine: grpc.handleUnaryCall<_infernode_node_v1_DrainEngineRequest__Output, _infernode_node_v1_Engine>;
  
  ExplainDevice: grpc.handleUnaryCall<_infernode_node_v1_ExplainDeviceRequest__Output, _infernode_node_v1_ExplainDeviceResponse>;
  
  ExplainEngine: grpc.handleUnaryCall<_infernode_node_v1_ExplainEngineRequest__Output, _infernode_node_v1_ExplainEngineResponse>;
  
  GetIncident: grpc.handleUnaryCall<_infernode_node_v1_GetIncidentRequest__Output, _infernode_node_v1_Incident>;
  
  GetNode: grpc.handleUnaryCall<_infernode_node_v1_GetNodeRequest__Output, _infernode_node_v1_Node>;
  
  ListConditions: grpc.handleUnaryCall<_infernode_node_v1_ListConditionsRequest__Output, _infernode_node_v1_ListConditionsResponse>;
  
  ListEngines: grpc.handleUnaryCall<_infernode_node_v1_ListEnginesRequest__Output, _infernode_node_v1_ListEnginesResponse>;
  
  Plan: grpc.handleUnaryCall<_infernode_node_v1_PlanRequest__Output, _infernode_node_v1_PlanResponse>;
  
  ReleaseDriver: grpc.handleUnaryCall<_infernode_node_v1_ReleaseDriverRequest__Output, _infernode_node_v1_Driver>;
  
  ReportWork: grpc.handleBidiStreamingCall<_infernode_node_v1_WorkReport__Output, _infernode_node_v1_WorkAck>;
  
  RestartEngine: grpc.handleUnaryCall<_infernode_node_v1_RestartEngineRequest__Output, _infernode_node_v1_Engine>;
  
  SleepEngine: grpc.handleUnaryCall<_infernode_node_v1_SleepEngineRequest__Output, _infernode_node_v1_Engine>;
  
  StartEngine: grpc.handleUnaryCall<_infernode_node_v1_StartEngineRequest__Output, _infernode_node_v1_Engine>;
  
  StopEngine: grpc.handleUnaryCall<_infernode_node_v1_StopEngineRequest__Output, _infernode_node_v1_Engine>;
  
  TailEngineLog: grpc.handleServerStreamingCall<_infernode_node_v1_TailEngineLogRequest__Output, _infernode_node_v1_LogChunk>;
  
  UncordonDevice: grpc.handleUnaryCall<_infernode_node_v1_UncordonDeviceRequest__Output, _infernode_node_v1_Device>;
  
  WakeEngine: grpc.handleUnaryCall<_infernode_node_v1_WakeEngineRequest__Output, _infernode_node_v1_Engine>;
  
  WatchEvents: grpc.handleServerStreamingCall<_infernode_node_v1_WatchEventsRequest__Output, _infernode_node_v1_HistoryEntry>;
  
  WatchNode: grpc.handleServerStreamingCall<_infernode_node_v1_WatchNodeRequest__Output, _infernode_node_v1_NodeUpdate>;
  
}

export interface NodeServiceDefinition extends grpc.ServiceDefinition {
  AcknowledgeCondition: MethodDefinition<_infernode_node_v1_AcknowledgeConditionRequest, _infernode_node_v1_ListConditionsResponse, _infernode_node_v1_AcknowledgeConditionRequest__Output, _infernode_node_v1_ListConditionsResponse__Output>
  AcquireDriver: MethodDefinition<_infernode_node_v1_AcquireDriverRequest, _infernode_node_v1_Driver, _infernode_node_v1_AcquireDriverRequest__Output, _infernode_node_v1_Driver__Output>
  CordonDevice: MethodDefinition<_infernode_node_v1_CordonDeviceRequest, _infernode_node_v1_Device, _infernode_node_v1_CordonDeviceRequest__Output, _infernode_node_v1_Device__Output>
  DrainEngine: MethodDefinition<_infernode_node_v1_DrainEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_DrainEngineRequest__Output, _infernode_node_v1_Engine__Output>
  ExplainDevice: MethodDefinition<_infernode_node_v1_ExplainDeviceRequest, _infernode_node_v1_ExplainDeviceResponse, _infernode_node_v1_ExplainDeviceRequest__Output, _infernode_node_v1_ExplainDeviceResponse__Output>
  ExplainEngine: MethodDefinition<_infernode_node_v1_ExplainEngineRequest, _infernode_node_v1_ExplainEngineResponse, _infernode_node_v1_ExplainEngineRequest__Output, _infernode_node_v1_ExplainEngineResponse__Output>
  GetIncident: MethodDefinition<_infernode_node_v1_GetIncidentRequest, _infernode_node_v1_Incident, _infernode_node_v1_GetIncidentRequest__Output, _infernode_node_v1_Incident__Output>
  GetNode: MethodDefinition<_infernode_node_v1_GetNodeRequest, _infernode_node_v1_Node, _infernode_node_v1_GetNodeRequest__Output, _infernode_node_v1_Node__Output>
  ListConditions: MethodDefinition<_infernode_node_v1_ListConditionsRequest, _infernode_node_v1_ListConditionsResponse, _infernode_node_v1_ListConditionsRequest__Output, _infernode_node_v1_ListConditionsResponse__Output>
  ListEngines: MethodDefinition<_infernode_node_v1_ListEnginesRequest, _infernode_node_v1_ListEnginesResponse, _infernode_node_v1_ListEnginesRequest__Output, _infernode_node_v1_ListEnginesResponse__Output>
  Plan: MethodDefinition<_infernode_node_v1_PlanRequest, _infernode_node_v1_PlanResponse, _infernode_node_v1_PlanRequest__Output, _infernode_node_v1_PlanResponse__Output>
  ReleaseDriver: MethodDefinition<_infernode_node_v1_ReleaseDriverRequest, _infernode_node_v1_Driver, _infernode_node_v1_ReleaseDriverRequest__Output, _infernode_node_v1_Driver__Output>
  ReportWork: MethodDefinition<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkAck, _infernode_node_v1_WorkReport__Output, _infernode_node_v1_WorkAck__Output>
  RestartEngine: MethodDefinition<_infernode_node_v1_RestartEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_RestartEngineRequest__Output, _infernode_node_v1_Engine__Output>
  SleepEngine: MethodDefinition<_infernode_node_v1_SleepEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_SleepEngineRequest__Output, _infernode_node_v1_Engine__Output>
  StartEngine: MethodDefinition<_infernode_node_v1_StartEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_StartEngineRequest__Output, _infernode_node_v1_Engine__Output>
  StopEngine: MethodDefinition<_infernode_node_v1_StopEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_StopEngineRequest__Output, _infernode_node_v1_Engine__Output>
  TailEngineLog: MethodDefinition<_infernode_node_v1_TailEngineLogRequest, _infernode_node_v1_LogChunk, _infernode_node_v1_TailEngineLogRequest__Output, _infernode_node_v1_LogChunk__Output>
  UncordonDevice: MethodDefinition<_infernode_node_v1_UncordonDeviceRequest, _infernode_node_v1_Device, _infernode_node_v1_UncordonDeviceRequest__Output, _infernode_node_v1_Device__Output>
  WakeEngine: MethodDefinition<_infernode_node_v1_WakeEngineRequest, _infernode_node_v1_Engine, _infernode_node_v1_WakeEngineRequest__Output, _infernode_node_v1_Engine__Output>
  WatchEvents: MethodDefinition<_infernode_node_v1_WatchEventsRequest, _infernode_node_v1_HistoryEntry, _infernode_node_v1_WatchEventsRequest__Output, _infernode_node_v1_HistoryEntry__Output>
  WatchNode: MethodDefinition<_infernode_node_v1_WatchNodeRequest, _infernode_node_v1_NodeUpdate, _infernode_node_v1_WatchNodeRequest__Output, _infernode_node_v1_NodeUpdate__Output>
}
