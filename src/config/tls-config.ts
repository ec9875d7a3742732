import { z } from 'zod';
import { roles } from '../domain/access.js';
import { isLoopback, type ListenAddress } from './listen-address.js';

/** Files in PEM. `clientCa` asks clients for a certificate (mTLS); `tokenFile` holds bearer tokens, one per line: `TOKEN [ROLE [NAME]]`. */
export const tlsSchema = z.strictObject({
  certificate: z.string().min(1),
  key: z.string().min(1),
  clientCa: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
  /**
   * Role by name in the client's certificate (subject alternative names, else its common name). Absent: everybody with a certificate of
   * `clientCa` is an operator. Present: whoever is not listed may call nothing.
   */
  roles: z.record(z.string().min(1), z.enum(roles)).optional(),
});
export type TlsConfig = z.infer<typeof tlsSchema>;

/** The client's side of the same: whom to trust and how to prove itself. */
export const clientTlsSchema = z.strictObject({
  ca: z.string().min(1),
  certificate: z.string().min(1).optional(),
  key: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
  /** Name expected in the server's certificate, when it is not the address. */
  serverName: z.string().min(1).optional(),
});
export type ClientTlsConfig = z.infer<typeof clientTlsSchema>;

interface Listening {
  listen: { control: ListenAddress; metrics: ListenAddress; metricsOpen: boolean };
  tls?: TlsConfig | undefined;
}

/** Closed by default (design decision 11), for both processes: beyond loopback control proves who calls, metrics are opened by name. */
export function refuseOpenListeners({ listen, tls }: Listening, context: z.RefinementCtx): void {
  if (!isLoopback(listen.control.host) && !(tls && (tls.clientCa || tls.tokenFile)))
    context.addIssue({
      code: 'custom',
      path: ['listen', 'control'],
      message: 'a non-loopback address needs tls with clientCa or tokenFile; or bind 127.0.0.1',
    });
  if (!isLoopback(listen.metrics.host) && !listen.metricsOpen)
    context.addIssue({
      code: 'custom',
      path: ['listen', 'metrics'],
      message: 'a non-loopback address needs listen.metricsOpen: true; or bind 127.0.0.1',
    });
}
