import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Cluster as _infernode_cluster_v1_Cluster, Cluster__Output as _infernode_cluster_v1_Cluster__Output } from './infernode/cluster/v1/Cluster.js';
import type { ClusterNode as _infernode_cluster_v1_ClusterNode, ClusterNode__Output as _infernode_cluster_v1_ClusterNode__Output } from './infernode/cluster/v1/ClusterNode.js';
import type { ClusterServiceClient as _infernode_cluster_v1_ClusterServiceClient, ClusterServiceDefinition as _infernode_cluster_v1_ClusterServiceDefinition } from './infernode/cluster/v1/ClusterService.js';
import type { Endpoint as _infernode_cluster_v1_Endpoint, Endpoint__Output as _infernode_cluster_v1_Endpoint__Output } from './infernode/cluster/v1/Endpoint.js';
import type { GetClusterRequest as _infernode_cluster_v1_GetClusterRequest, GetClusterRequest__Output as _infernode_cluster_v1_GetClusterRequest__Output } from './infernode/cluster/v1/GetClusterRequest.js';
import type { Model as _infernode_cluster_v1_Model, Model__Output as _infernode_cluster_v1_Model__Output } from './infernode/cluster/v1/Model.js';
import type { AcknowledgeConditionRequest as _infernode_node_v1_AcknowledgeConditionRequest, AcknowledgeConditionRequest__Output as _infernode_node_v1_AcknowledgeConditionRequest__Output } from './infernode/node/v1/AcknowledgeConditionRequest.js';
import type { AcquireDriverRequest as _infernode_node_v1_AcquireDriverRequest, AcquireDriverRequest__Output as _infernode_node_v1_AcquireDriverRequest__Output } from './infernode/node/v1/AcquireDriverRequest.js';
import type { CheckSet as _infernode_node_v1_CheckSet, CheckSet__Output as _infernode_node_v1_CheckSet__Output } from './infernode/node/v1/CheckSet.js';
import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from './infernode/node/v1/Condition.js';
import type { ConditionExplanation as _infernode_node_v1_ConditionExplanation, ConditionExplanation__Output as _infernode_node_v1_ConditionExplanation__Output } from './infernode/node/v1/ConditionExplanation.js';
import type { ConditionSet as _infernode_node_v1_ConditionSet, ConditionSet__Output as _infernode_node_v1_ConditionSet__Output } from './infernode/node/v1/ConditionSet.js';
import type { CoordinatorWork as _infernode_node_v1_CoordinatorWork, CoordinatorWork__Output as _infernode_node_v1_CoordinatorWork__Output } from './infernode/node/v1/CoordinatorWork.js';
import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from './infernode/node/v1/Cordon.js';
import type { CordonDeviceRequest as _infernode_node_v1_CordonDeviceRequest, CordonDeviceRequest__Output as _infernode_node_v1_CordonDeviceRequest__Output } from './infernode/node/v1/CordonDeviceRequest.js';
import type { CordonSet as _infernode_node_v1_CordonSet, CordonSet__Output as _infernode_node_v1_CordonSet__Output } from './infernode/node/v1/CordonSet.js';
import type { CudaGraphs as _infernode_node_v1_CudaGraphs, CudaGraphs__Output as _infernode_node_v1_CudaGraphs__Output } from './infernode/node/v1/CudaGraphs.js';
import type { DeathRecord as _infernode_node_v1_DeathRecord, DeathRecord__Output as _infernode_node_v1_DeathRecord__Output } from './infernode/node/v1/DeathRecord.js';
import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from './infernode/node/v1/Device.js';
import type { DeviceCondition as _infernode_node_v1_DeviceCondition, DeviceCondition__Output as _infernode_node_v1_DeviceCondition__Output } from './infernode/node/v1/DeviceCondition.js';
import type { DeviceReading as _infernode_node_v1_DeviceReading, DeviceReading__Output as _infernode_node_v1_DeviceReading__Output } from './infernode/node/v1/DeviceReading.js';
import type { DrainEngineRequest as _infernode_node_v1_DrainEngineRequest, DrainEngineRequest__Output as _infernode_node_v1_DrainEngineRequest__Output } from './infernode/node/v1/DrainEngineRequest.js';
import type { Driver as _infernode_node_v1_Driver, Driver__Output as _infernode_node_v1_Driver__Output } from './infernode/node/v1/Driver.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from './infernode/node/v1/Engine.js';
import type { EngineDeath as _infernode_node_v1_EngineDeath, EngineDeath__Output as _infernode_node_v1_EngineDeath__Output } from './infernode/node/v1/EngineDeath.js';
import type { EngineLoad as _infernode_node_v1_EngineLoad, EngineLoad__Output as _infernode_node_v1_EngineLoad__Output } from './infernode/node/v1/EngineLoad.js';
import type { ExplainDeviceRequest as _infernode_node_v1_ExplainDeviceRequest, ExplainDeviceRequest__Output as _infernode_node_v1_ExplainDeviceRequest__Output } from './infernode/node/v1/ExplainDeviceRequest.js';
import type { ExplainDeviceResponse as _infernode_node_v1_ExplainDeviceResponse, ExplainDeviceResponse__Output as _infernode_node_v1_ExplainDeviceResponse__Output } from './infernode/node/v1/ExplainDeviceResponse.js';
import type { ExplainEngineRequest as _infernode_node_v1_ExplainEngineRequest, ExplainEngineRequest__Output as _infernode_node_v1_ExplainEngineRequest__Output } from './infernode/node/v1/ExplainEngineRequest.js';
import type { ExplainEngineResponse as _infernode_node_v1_ExplainEngineResponse, ExplainEngineResponse__Output as _infernode_node_v1_ExplainEngineResponse__Output } from './infernode/node/v1/ExplainEngineResponse.js';
import type { GetIncidentRequest as _infernode_node_v1_GetIncidentRequest, GetIncidentRequest__Output as _infernode_node_v1_GetIncidentRequest__Output } from './infernode/node/v1/GetIncidentRequest.js';
import type { GetNodeRequest as _infernode_node_v1_GetNodeRequest, GetNodeRequest__Output as _infernode_node_v1_GetNodeRequest__Output } from './infernode/node/v1/GetNodeRequest.js';
import type { Heartbeat as _infernode_node_v1_Heartbeat, Heartbeat__Output as _infernode_node_v1_Heartbeat__Output } from './infernode/node/v1/Heartbeat.js';
import type { HistoryEntry as _infernode_node_v1_HistoryEntry, HistoryEntry__Output as _infernode_node_v1_HistoryEntry__Output } from './infernode/node/v1/HistoryEntry.js';
import type { Incident as _infernode_node_v1_Incident, Incident__Output as _infernode_node_v1_Incident__Output } from './infernode/node/v1/Incident.js';
import type { LeaseStart as _infernode_node_v1_LeaseStart, LeaseStart__Output as _infernode_node_v1_LeaseStart__Output } from './infernode/node/v1/LeaseStart.js';
import type { ListConditionsRequest as _infernode_node_v1_ListConditionsRequest, ListConditionsRequest__Output as _infernode_node_v1_ListConditionsRequest__Output } from './infernode/node/v1/ListConditionsRequest.js';
import type { ListConditionsResponse as _infernode_node_v1_ListConditionsResponse, ListConditionsResponse__Output as _infernode_node_v1_ListConditionsResponse__Output } from './infernode/node/v1/ListConditionsResponse.js';
import type { ListEnginesRequest as _infernode_node_v1_ListEnginesRequest, ListEnginesRequest__Output as _infernode_node_v1_ListEnginesRequest__Output } from './infernode/node/v1/ListEnginesRequest.js';
import type { ListEnginesResponse as _infernode_node_v1_ListEnginesResponse, ListEnginesResponse__Output as _infernode_node_v1_ListEnginesResponse__Output } from './infernode/node/v1/ListEnginesResponse.js';
import type { LogChunk as _infernode_node_v1_LogChunk, LogChunk__Output as _infernode_node_v1_LogChunk__Output } from './infernode/node/v1/LogChunk.js';
import type { MigInstance as _infernode_node_v1_MigInstance, MigInstance__Output as _infernode_node_v1_MigInstance__Output } from './infernode/node/v1/MigInstance.js';
import type { Node as _infernode_node_v1_Node, Node__Output as _infernode_node_v1_Node__Output } from './infernode/node/v1/Node.js';
import type { NodeDelta as _infernode_node_v1_NodeDelta, NodeDelta__Output as _infernode_node_v1_NodeDelta__Output } from './infernode/node/v1/NodeDelta.js';
import type { NodeServiceClient as _infernode_node_v1_NodeServiceClient, NodeServiceDefinition as _infernode_node_v1_NodeServiceDefinition } from './infernode/node/v1/NodeService.js';
import type { NodeUpdate as _infernode_node_v1_NodeUpdate, NodeUpdate__Output as _infernode_node_v1_NodeUpdate__Output } from './infernode/node/v1/NodeUpdate.js';
import type { PlanRequest as _infernode_node_v1_PlanRequest, PlanRequest__Output as _infernode_node_v1_PlanRequest__Output } from './infernode/node/v1/PlanRequest.js';
import type { PlanResponse as _infernode_node_v1_PlanResponse, PlanResponse__Output as _infernode_node_v1_PlanResponse__Output } from './infernode/node/v1/PlanResponse.js';
import type { ReleaseDriverRequest as _infernode_node_v1_ReleaseDriverRequest, ReleaseDriverRequest__Output as _infernode_node_v1_ReleaseDriverRequest__Output } from './infernode/node/v1/ReleaseDriverRequest.js';
import type { RestartEngineRequest as _infernode_node_v1_RestartEngineRequest, RestartEngineRequest__Output as _infernode_node_v1_RestartEngineRequest__Output } from './infernode/node/v1/RestartEngineRequest.js';
import type { SleepEngineRequest as _infernode_node_v1_SleepEngineRequest, SleepEngineRequest__Output as _infernode_node_v1_SleepEngineRequest__Output } from './infernode/node/v1/SleepEngineRequest.js';
import type { StartEngineRequest as _infernode_node_v1_StartEngineRequest, StartEngineRequest__Output as _infernode_node_v1_StartEngineRequest__Output } from './infernode/node/v1/StartEngineRequest.js';
import type { StartProgress as _infernode_node_v1_StartProgress, StartProgress__Output as _infernode_node_v1_StartProgress__Output } from './infernode/node/v1/StartProgress.js';
import type { StopEngineRequest as _infernode_node_v1_StopEngineRequest, StopEngineRequest__Output as _infernode_node_v1_StopEngineRequest__Output } from './infernode/node/v1/StopEngineRequest.js';
import type { StopStep as _infernode_node_v1_StopStep, StopStep__Output as _infernode_node_v1_StopStep__Output } from './infernode/node/v1/StopStep.js';
import type { TailEngineLogRequest as _infernode_node_v1_TailEngineLogRequest, TailEngineLogRequest__Output as _infernode_node_v1_TailEngineLogRequest__Output } from './infernode/node/v1/TailEngineLogRequest.js';
import type { UncordonDeviceRequest as _infernode_node_v1_UncordonDeviceRequest, UncordonDeviceRequest__Output as _infernode_node_v1_UncordonDeviceRequest__Output } from './infernode/node/v1/UncordonDeviceRequest.js';
import type { WakeEngineRequest as _infernode_node_v1_WakeEngineRequest, WakeEngineRequest__Output as _infernode_node_v1_WakeEngineRequest__Output } from './infernode/node/v1/WakeEngineRequest.js';
import type { WatchEventsRequest as _infernode_node_v1_WatchEventsRequest, WatchEventsRequest__Output as _infernode_node_v1_WatchEventsRequest__Output } from './infernode/node/v1/WatchEventsRequest.js';
import type { WatchNodeRequest as _infernode_node_v1_WatchNodeRequest, WatchNodeRequest__Output as _infernode_node_v1_WatchNodeRequest__Output } from './infernode/node/v1/WatchNodeRequest.js';
import type { WorkAck as _infernode_node_v1_WorkAck, WorkAck__Output as _infernode_node_v1_WorkAck__Output } from './infernode/node/v1/WorkAck.js';
import type { WorkDelta as _infernode_node_v1_WorkDelta, WorkDelta__Output as _infernode_node_v1_WorkDelta__Output } from './infernode/node/v1/WorkDelta.js';
import type { WorkEvent as _infernode_node_v1_WorkEvent, WorkEvent__Output as _infernode_node_v1_WorkEvent__Output } from './infernode/node/v1/WorkEvent.js';
import type { WorkLease as _infernode_node_v1_WorkLease, WorkLease__Output as _infernode_node_v1_WorkLease__Output } from './infernode/node/v1/WorkLease.js';
import type { WorkOpening as _infernode_node_v1_WorkOpening, WorkOpening__Output as _infernode_node_v1_WorkOpening__Output } from './infernode/node/v1/WorkOpening.js';
import type { WorkReport as _infernode_node_v1_WorkReport, WorkReport__Output as _infernode_node_v1_WorkReport__Output } from './infernode/node/v1/WorkReport.js';
import type { WorkUpdate as _infernode_node_v1_WorkUpdate, WorkUpdate__Output as _infernode_node_v1_WorkUpdate__Output } from './infernode/node/v1/WorkUpdate.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  infernode: {
    cluster: {
      v1: {
        Cluster: MessageTypeDefinition<_infernode_cluster_v1_Cluster, _infernode_cluster_v1_Cluster__Output>
        ClusterNode: MessageTypeDefinition<_infernode_cluster_v1_ClusterNode, _infernode_cluster_v1_ClusterNode__Output>
        ClusterService: SubtypeConstructor<typeof grpc.Client, _infernode_cluster_v1_ClusterServiceClient> & { service: _infernode_cluster_v1_ClusterServiceDefinition }
        Endpoint: MessageTypeDefinition<_infernode_cluster_v1_Endpoint, _infernode_cluster_v1_Endpoint__Output>
        GetClusterRequest: MessageTypeDefinition<_infernode_cluster_v1_GetClusterRequest, _infernode_cluster_v1_GetClusterRequest__Output>
        Model: MessageTypeDefinition<_infernode_cluster_v1_Model, _infernode_cluster_v1_Model__Output>
      }
    }
    node: {
      v1: {
        AcknowledgeConditionRequest: MessageTypeDefinition<_infernode_node_v1_AcknowledgeConditionRequest, _infernode_node_v1_AcknowledgeConditionRequest__Output>
        AcquireDriverRequest: MessageTypeDefinition<_infernode_node_v1_AcquireDriverRequest, _infernode_node_v1_AcquireDriverRequest__Output>
        CheckSet: MessageTypeDefinition<_infernode_node_v1_CheckSet, _infernode_node_v1_CheckSet__Output>
        Condition: MessageTypeDefinition<_infernode_node_v1_Condition, _infernode_node_v1_Condition__Output>
        ConditionExplanation: MessageTypeDefinition<_infernode_node_v1_ConditionExplanation, _infernode_node_v1_ConditionExplanation__Output>
        ConditionSet: MessageTypeDefinition<_infernode_node_v1_ConditionSet, _infernode_node_v1_ConditionSet__Output>
        CoordinatorWork: MessageTypeDefinition<_infernode_node_v1_CoordinatorWork, _infernode_node_v1_CoordinatorWork__Output>
        Cordon: MessageTypeDefinition<_infernode_node_v1_Cordon, _infernode_node_v1_Cordon__Output>
        CordonDeviceRequest: MessageTypeDefinition<_infernode_node_v1_CordonDeviceRequest, _infernode_node_v1_CordonDeviceRequest__Output>
        CordonSet: MessageTypeDefinition<_infernode_node_v1_CordonSet, _infernode_node_v1_CordonSet__Output>
        CudaGraphs: MessageTypeDefinition<_infernode_node_v1_CudaGraphs, _infernode_node_v1_CudaGraphs__Output>
        DeathRecord: MessageTypeDefinition<_infernode_node_v1_DeathRecord, _infernode_node_v1_DeathRecord__Output>
        Device: MessageTypeDefinition<_infernode_node_v1_Device, _infernode_node_v1_Device__Output>
        DeviceCondition: MessageTypeDefinition<_infernode_node_v1_DeviceCondition, _infernode_node_v1_DeviceCondition__Output>
        DeviceReading: MessageTypeDefinition<_infernode_node_v1_DeviceReading, _infernode_node_v1_DeviceReading__Output>
        DrainEngineRequest: MessageTypeDefinition<_infernode_node_v1_DrainEngineRequest, _infernode_node_v1_DrainEngineRequest__Output>
        Driver: MessageTypeDefinition<_infernode_node_v1_Driver, _infernode_node_v1_Driver__Output>
        Engine: MessageTypeDefinition<_infernode_node_v1_Engine, _infernode_node_v1_Engine__Output>
        EngineDeath: MessageTypeDefinition<_infernode_node_v1_EngineDeath, _infernode_node_v1_EngineDeath__Output>
        EngineLoad: MessageTypeDefinition<_infernode_node_v1_EngineLoad, _infernode_node_v1_EngineLoad__Output>
        ExplainDeviceRequest: MessageTypeDefinition<_infernode_node_v1_ExplainDeviceRequest, _infernode_node_v1_ExplainDeviceRequest__Output>
        ExplainDeviceResponse: MessageTypeDefinition<_infernode_node_v1_ExplainDeviceResponse, _infernode_node_v1_ExplainDeviceResponse__Output>
        ExplainEngineRequest: MessageTypeDefinition<_infernode_node_v1_ExplainEngineRequest, _infernode_node_v1_ExplainEngineRequest__Output>
        ExplainEngineResponse: MessageTypeDefinition<_infernode_node_v1_ExplainEngineResponse, _infernode_node_v1_ExplainEngineResponse__Output>
        GetIncidentRequest: MessageTypeDefinition<_infernode_node_v1_GetIncidentRequest, _infernode_node_v1_GetIncidentRequest__Output>
        GetNodeRequest: MessageTypeDefinition<_infernode_node_v1_GetNodeRequest, _infernode_node_v1_GetNodeRequest__Output>
        Heartbeat: MessageTypeDefinition<_infernode_node_v1_Heartbeat, _infernode_node_v1_Heartbeat__Output>
        HistoryEntry: MessageTypeDefinition<_infernode_node_v1_HistoryEntry, _infernode_node_v1_HistoryEntry__Output>
        Incident: MessageTypeDefinition<_infernode_node_v1_Incident, _infernode_node_v1_Incident__Output>
        LeaseStart: MessageTypeDefinition<_infernode_node_v1_LeaseStart, _infernode_node_v1_LeaseStart__Output>
        ListConditionsRequest: MessageTypeDefinition<_infernode_node_v1_ListConditionsRequest, _infernode_node_v1_ListConditionsRequest__Output>
        ListConditionsResponse: MessageTypeDefinition<_infernode_node_v1_ListConditionsResponse, _infernode_node_v1_ListConditionsResponse__Output>
        ListEnginesRequest: MessageTypeDefinition<_infernode_node_v1_ListEnginesRequest, _infernode_node_v1_ListEnginesRequest__Output>
        ListEnginesResponse: MessageTypeDefinition<_infernode_node_v1_ListEnginesResponse, _infernode_node_v1_ListEnginesResponse__Output>
        LogChunk: MessageTypeDefinition<_infernode_node_v1_LogChunk, _infernode_node_v1_LogChunk__Output>
        MigInstance: MessageTypeDefinition<_infernode_node_v1_MigInstance, _infernode_node_v1_MigInstance__Output>
        Node: MessageTypeDefinition<_infernode_node_v1_Node, _infernode_node_v1_Node__Output>
        NodeDelta: MessageTypeDefinition<_infernode_node_v1_NodeDelta, _infernode_node_v1_NodeDelta__Output>
        NodeService: SubtypeConstructor<typeof grpc.Client, _infernode_node_v1_NodeServiceClient> & { service: _infernode_node_v1_NodeServiceDefinition }
        NodeUpdate: MessageTypeDefinition<_infernode_node_v1_NodeUpdate, _infernode_node_v1_NodeUpdate__Output>
        PlanRequest: MessageTypeDefinition<_infernode_node_v1_PlanRequest, _infernode_node_v1_PlanRequest__Output>
        PlanResponse: MessageTypeDefinition<_infernode_node_v1_PlanResponse, _infernode_node_v1_PlanResponse__Output>
        ReleaseDriverRequest: MessageTypeDefinition<_infernode_node_v1_ReleaseDriverRequest, _infernode_node_v1_ReleaseDriverRequest__Output>
        RestartEngineRequest: MessageTypeDefinition<_infernode_node_v1_RestartEngineRequest, _infernode_node_v1_RestartEngineRequest__Output>
        SleepEngineRequest: MessageTypeDefinition<_infernode_node_v1_SleepEngineRequest, _infernode_node_v1_SleepEngineRequest__Output>
        StartEngineRequest: MessageTypeDefinition<_infernode_node_v1_StartEngineRequest, _infernode_node_v1_StartEngineRequest__Output>
        StartProgress: MessageTypeDefinition<_infernode_node_v1_StartProgress, _infernode_node_v1_StartProgress__Output>
        StopEngineRequest: MessageTypeDefinition<_infernode_node_v1_StopEngineRequest, _infernode_node_v1_StopEngineRequest__Output>
        StopStep: MessageTypeDefinition<_infernode_node_v1_StopStep, _infernode_node_v1_StopStep__Output>
        TailEngineLogRequest: MessageTypeDefinition<_infernode_node_v1_TailEngineLogRequest, _infernode_node_v1_TailEngineLogRequest__Output>
        UncordonDeviceRequest: MessageTypeDefinition<_infernode_node_v1_UncordonDeviceRequest, _infernode_node_v1_UncordonDeviceRequest__Output>
        WakeEngineRequest: MessageTypeDefinition<_infernode_node_v1_WakeEngineRequest, _infernode_node_v1_WakeEngineRequest__Output>
        WatchEventsRequest: MessageTypeDefinition<_infernode_node_v1_WatchEventsRequest, _infernode_node_v1_WatchEventsRequest__Output>
        WatchNodeRequest: MessageTypeDefinition<_infernode_node_v1_WatchNodeRequest, _infernode_node_v1_WatchNodeRequest__Output>
        WorkAck: MessageTypeDefinition<_infernode_node_v1_WorkAck, _infernode_node_v1_WorkAck__Output>
        WorkDelta: MessageTypeDefinition<_infernode_node_v1_WorkDelta, _infernode_node_v1_WorkDelta__Output>
        WorkEvent: MessageTypeDefinition<_infernode_node_v1_WorkEvent, _infernode_node_v1_WorkEvent__Output>
        WorkLease: MessageTypeDefinition<_infernode_node_v1_WorkLease, _infernode_node_v1_WorkLease__Output>
        WorkOpening: MessageTypeDefinition<_infernode_node_v1_WorkOpening, _infernode_node_v1_WorkOpening__Output>
        WorkReport: MessageTypeDefinition<_infernode_node_v1_WorkReport, _infernode_node_v1_WorkReport__Output>
        WorkUpdate: MessageTypeDefinition<_infernode_node_v1_WorkUpdate, _infernode_node_v1_WorkUpdate__Output>
      }
    }
  }
}

