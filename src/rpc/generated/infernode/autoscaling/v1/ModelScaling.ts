// Original file: proto/infernode/autoscaling/v1/autoscaling.proto

import type { Proposal as _infernode_autoscaling_v1_Proposal, Proposal__Output as _infernode_autoscaling_v1_Proposal__Output } from '../../../infernode/autoscaling/v1/Proposal.js';
import type { Replicas as _infernode_autoscaling_v1_Replicas, Replicas__Output as _infernode_autoscaling_v1_Replicas__Output } from '../../../infernode/autoscaling/v1/Replicas.js';

export interface ModelScaling {
  'model'?: (string);
  'desired'?: (number);
  'next'?: (number);
  'current'?: (number);
  'direction'?: (string);
  'reason'?: (string);
  'signal'?: (string);
  'limitedBy'?: (string)[];
  'proposals'?: (_infernode_autoscaling_v1_Proposal)[];
  'replicas'?: (_infernode_autoscaling_v1_Replicas | null);
  'queuedRequests'?: (number);
  'queuedTokens'?: (number | string);
  'running'?: (number);
  'backlogSeconds'?: (number | string);
  'sloRatio'?: (number | string);
  'ttftP99Ms'?: (number | string);
  'kvCacheUsageMean'?: (number | string);
  'kvCacheUsageMax'?: (number | string);
  'gpuUtilizationRatio'?: (number | string);
  'incomingPerSecond'?: (number | string);
  'forecastReplicas'?: (number);
  'inputAgeMs'?: (number | string);
  'decidedMsAgo'?: (number | string);
  'undecided'?: (string);
  'costAdvice'?: (string);
  '_desired'?: "desired";
  '_next'?: "next";
  '_backlogSeconds'?: "backlogSeconds";
  '_sloRatio'?: "sloRatio";
  '_ttftP99Ms'?: "ttftP99Ms";
  '_kvCacheUsageMean'?: "kvCacheUsageMean";
  '_kvCacheUsageMax'?: "kvCacheUsageMax";
  '_gpuUtilizationRatio'?: "gpuUtilizationRatio";
  '_incomingPerSecond'?: "incomingPerSecond";
  '_forecastReplicas'?: "forecastReplicas";
  '_inputAgeMs'?: "inputAgeMs";
  '_decidedMsAgo'?: "decidedMsAgo";
}

export interface ModelScaling__Output {
  'model': (string);
  'desired'?: (number);
  'next'?: (number);
  'current': (number);
  'direction': (string);
  'reason': (string);
  'signal': (string);
  'limitedBy': (string)[];
  'proposals': (_infernode_autoscaling_v1_Proposal__Output)[];
  'replicas': (_infernode_autoscaling_v1_Replicas__Output | null);
  'queuedRequests': (number);
  'queuedTokens': (number);
  'running': (number);
  'backlogSeconds'?: (number);
  'sloRatio'?: (number);
  'ttftP99Ms'?: (number);
  'kvCacheUsageMean'?: (number);
  'kvCacheUsageMax'?: (number);
  'gpuUtilizationRatio'?: (number);
  'incomingPerSecond'?: (number);
  'forecastReplicas'?: (number);
  'inputAgeMs'?: (number);
  'decidedMsAgo'?: (number);
  'undecided': (string);
  'costAdvice': (string);
  '_desired'?: "desired";
  '_next'?: "next";
  '_backlogSeconds'?: "backlogSeconds";
  '_sloRatio'?: "sloRatio";
  '_ttftP99Ms'?: "ttftP99Ms";
  '_kvCacheUsageMean'?: "kvCacheUsageMean";
  '_kvCacheUsageMax'?: "kvCacheUsageMax";
  '_gpuUtilizationRatio'?: "gpuUtilizationRatio";
  '_incomingPerSecond'?: "incomingPerSecond";
  '_forecastReplicas'?: "forecastReplicas";
  '_inputAgeMs'?: "inputAgeMs";
  '_decidedMsAgo'?: "decidedMsAgo";
}
