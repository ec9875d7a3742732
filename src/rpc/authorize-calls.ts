/**
 * Decides for every call of a control listener who calls and whether they may, before any handler sees it; health and reflection are no
 * exception. Calls that change something are written to the audit log, allowed or not, with how they ended.
 */
import { ServerInterceptingCall, status, type Metadata, type ServerInterceptor } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import type { TlsConfig } from '../config/tls-config.js';
import { mayCall, requiredRole, roles, type Caller, type Role } from '../domain/access.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { Logger } from '../runtime/logger.js';
import { TokenVerifier } from './credentials.js';
import { toServiceError } from './grpc-status.js';

/** Streams that change only the view of load: too many to write each down. */
const notAudited = new Set(['ReportWork', 'Place', 'Release', 'FirstToken']);
const maxLoggedRequest = 1_000;
/** Where handlers find the role of their caller. */
const roleKey = 'infernode-caller-role';

/** Of the caller of a call that was let through; `viewer`, the least, where the listener did not say. */
export function roleOf(metadata: Metadata): Role {
  const [role] = metadata.get(roleKey);
  return roles.find((one) => one === role) ?? 'viewer';
}

export function authorizeCalls(tls: TlsConfig | undefined, logger: Logger): ServerInterceptor {
  const tokens = tls?.tokenFile ? new TokenVerifier(tls.tokenFile) : null;
  const audit = logger.child({ audit: true });
  return ({ path }, call) => {
    const method = path.slice(path.lastIndexOf('/') + 1);
    const audited = requiredRole(path) !== 'viewer' && !notAudited.has(method);
    let caller: Caller | null = null;
    let request = '';
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            try {
              caller = callerOf(metadata, call.getAuthContext().sslPeerCertificate, tls, tokens);
              authorize(caller, path);
            } catch (error) {
              audit.warn({ method, ...caller, peer: call.getPeer() }, 'call refused');
              call.sendStatus(statusOf(error));
              return;
            }
            // In place of whatever the caller wrote there.
            metadata.set(roleKey, caller.role);
            nextMetadata(metadata);
          },
          onReceiveMessage: (message, nextMessage) => {
            if (audited) request = JSON.stringify(message).slice(0, maxLoggedRequest);
            nextMessage(message);
          },
        }),
      sendStatus: (ended, next) => {
        if (audited) audit.info({ method, ...caller, request, result: status[ended.code ?? 0] }, 'call');
        next(ended);
      },
    });
  };
}

/** A token beats a certificate: it is the narrower proof, and both may be asked for. */
function callerOf(
  metadata: Metadata,
  certificate: PeerCertificate | undefined,
  tls: TlsConfig | undefined,
  tokens: TokenVerifier | null,
): Caller {
  if (!tls) return { identity: 'local', role: 'operator' };
  if (tokens) return tokens.verify(metadata);
  const names = certificate ? namesIn(certificate) : [];
  const [first = 'unnamed'] = names;
  if (!tls.roles) return { identity: first, role: 'operator' };
  const listed = names.find((name) => Object.hasOwn(tls.roles ?? {}, name));
  const role = listed === undefined ? undefined : tls.roles[listed];
  if (listed === undefined || role === undefined)
    throw new InfernodeError(
      'permission-denied',
      `expected a certificate whose name is in tls.roles, got ${names.join(', ') || 'one without a name'}`,
    );
  return { identity: listed, role };
}

/** Subject alternative names without their kind, then the common name. */
function namesIn({ subjectaltname = '', subject }: PeerCertificate): string[] {
  const alternatives = subjectaltname
    .split(', ')
    .map((entry) => entry.replace(/^(DNS|URI|IP Address|email):/, ''));
  const common = subject?.CN;
  return [...alternatives, ...(typeof common === 'string' ? [common] : [])].filter((name) => name !== '');
}

function authorize({ identity, role }: Caller, path: string): void {
  if (!mayCall(role, path))
    throw new InfernodeError(
      'permission-denied',
      `expected the role ${requiredRole(path)} for ${path}, ${identity} has ${role}`,
    );
}

function statusOf(error: unknown): Parameters<ServerInterceptingCall['sendStatus']>[0] {
  const { code = status.UNKNOWN, details = '', metadata = null } = toServiceError(error);
  return { code, details, metadata };
}
