/** `infernode.placement.v1.PlacementService`: placement for gateways that are not ours, and its reasons for people. */
import { randomUUID } from 'node:crypto';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { EndpointState } from '../domain/endpoint.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { ModelPlacement, PlacementExplanation, PlacementRequest } from '../placement/placement-types.js';
import type { Explanation } from '../rpc/generated/infernode/placement/v1/Explanation.js';
import type { PlaceRequest__Output } from '../rpc/generated/infernode/placement/v1/PlaceRequest.js';
import type { PlacementServiceHandlers } from '../rpc/generated/infernode/placement/v1/PlacementService.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { ClusterMetrics } from './cluster-metrics.js';
import { LentLeases } from './lent-leases.js';

export interface PlacementServiceOptions {
  resolve: (requested: string) => { model: string; placement: ModelPlacement } | null;
  endpoint: (id: string) => EndpointState | undefined;
  isShared: (node: string) => boolean;
  chainVersion: string;
  /** Chain and tokens of a JSON request; throws `argument-invalid`. */
  readPrompt: (request: { model: string; path: string; json: string }) => { chain: number[]; tokens: number };
  /** What stands for a session in placement and its log. */
  sessionKeyOf: (session: string) => string;
  clock: Clock;
  logger: Logger;
  metrics: ClusterMetrics;
}

export interface PlacementService {
  handlers: PlacementServiceHandlers;
  /** Ends every lease that was given. */
  close(): void;
}

const defaultLeaseMs = 10 * 60_000;
const maxLeaseMs = 60 * 60_000;
const outcomes = ['', 'ok', 'failed', 'abandoned'];

export function createPlacementService(options: PlacementServiceOptions): PlacementService {
  const { clock, metrics } = options;
  const leases = new LentLeases({ clock, onExpired: () => metrics.expiredLeases.inc() });
  const unary = unaryWith(options);
  const handlers: PlacementServiceHandlers = {
    Place: unary('Place', (request) => place(request, leases, options)),

    Explain: unary('Explain', (request) => {
      const { placement, request: asked } = understand(request, options);
      return explanationToProto(placement.explain(asked, clock.monotonicMs()), asked, options);
    }),

    FirstToken: unary('FirstToken', ({ leaseId, cachedTokens }) => {
      const lease = leases.get(leaseId);
      lease?.placement.firstToken(leaseId, clock.monotonicMs(), cachedTokens);
      return { found: lease !== undefined };
    }),

    Release: unary('Release', ({ leaseId, outcome }) => {
      if (!outcomes.includes(outcome))
        throw new InfernodeError(
          'argument-invalid',
          `expected outcome to be ok, failed or abandoned, got "${outcome.slice(0, 40)}"`,
        );
      const lease = leases.get(leaseId);
      if (!lease) return { found: false };
      const nowMs = clock.monotonicMs();
      if (outcome === 'failed') lease.placement.reportFailure(lease.endpointId, nowMs, leaseId);
      else if (outcome !== 'abandoned') lease.placement.reportSuccess(lease.endpointId, nowMs, leaseId);
      return { found: leases.release(leaseId) !== null };
    }),
  };
  return { handlers, close: () => leases.close() };
}

function place(request: PlaceRequest__Output, leases: LentLeases, options: PlacementServiceOptions) {
  const { clock, endpoint: endpointOf, isShared } = options;
  const { model, placement, request: asked } = understand(request, options);
  if (request.leaseMs > maxLeaseMs)
    throw new InfernodeError(
      'argument-invalid',
      `expected lease_ms to be at most ${maxLeaseMs}, got ${request.leaseMs}`,
    );
  leases.requireRoom();
  const { endpoint, outcome, home, reason } = placement.decide(asked, clock.monotonicMs());
  if (endpoint === null)
    throw new InfernodeError(outcome === 'capped' ? 'queue-full' : 'no-eligible-endpoint', reason);
  leases.add(asked.id, { endpointId: endpoint, placement }, request.leaseMs || defaultLeaseMs);
  const state = endpointOf(endpoint);
  return {
    leaseId: asked.id,
    endpoint,
    url: state?.url ?? '',
    model,
    outcome,
    home: home ?? '',
    reason,
    sharedView: isShared(state?.node ?? ''),
  };
}

interface Understood {
  model: string;
  placement: ModelPlacement;
  request: PlacementRequest;
}

function understand(call: PlaceRequest__Output, options: PlacementServiceOptions): Understood {
  const resolved = options.resolve(call.model);
  if (!resolved)
    throw new InfernodeError('model-unknown', `no model "${call.model.slice(0, 200)}" is served`);
  const { model, placement } = resolved;
  const request = {
    id: `lent-${randomUUID()}`,
    ...promptOf(call, model, options),
    servedName: model,
    exclude: new Set(call.exclude),
    ...(call.session === '' ? {} : { sessionKey: options.sessionKeyOf(call.session.slice(0, 256)) }),
    ...(call.requestId === '' ? {} : { requestId: call.requestId.slice(0, 128) }),
  };
  return { model, placement, request };
}

/** Without a prompt the request is placed by load. */
function promptOf(
  { chain, requestJson, path }: PlaceRequest__Output,
  model: string,
  { chainVersion, readPrompt }: PlacementServiceOptions,
): { chain: number[]; tokens: number } {
  if (requestJson) return readPrompt({ model, path: path || '/v1/chat/completions', json: requestJson });
  if (!chain) return { chain: [], tokens: 0 };
  if (chain.chainVersion !== chainVersion)
    throw new InfernodeError(
      'argument-invalid',
      `expected chain_version ${chainVersion}, got "${chain.chainVersion.slice(0, 80)}"; send request_json instead`,
    );
  const blocks = chain.blocks.map(Number);
  if (!blocks.every(Number.isSafeInteger))
    throw new InfernodeError('argument-invalid', 'expected blocks to be integers below 2^53');
  return { chain: blocks, tokens: chain.tokens };
}

function explanationToProto(
  { candidates, refused, keyIndex, endpoint, home, ...rest }: PlacementExplanation,
  { tokens, chain }: PlacementRequest,
  { endpoint: endpointOf, isShared }: PlacementServiceOptions,
): Explanation {
  return {
    ...rest,
    endpoint: endpoint ?? '',
    home: home ?? '',
    keyIndex: keyIndex ?? undefined,
    tokens,
    blocks: chain.length,
    candidates: candidates.map((candidate) => ({
      ...candidate,
      sharedView: isShared(endpointOf(candidate.endpoint)?.node ?? ''),
    })),
    refused: [...refused],
  };
}

function unaryWith({ metrics, logger }: PlacementServiceOptions) {
  return <Request, Response>(method: string, handle: (request: Request) => Response) =>
    (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      try {
        callback(null, handle(call.request));
      } catch (thrown) {
        const error = toServiceError(thrown);
        const reason = reasonOf(error) ?? 'internal';
        metrics.rpcErrors.inc({ method, reason });
        if (reason === 'internal') logger.error({ err: thrown, method }, 'call failed');
        callback(error);
      }
    };
}
