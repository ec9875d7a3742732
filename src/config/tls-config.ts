import { z } from 'zod';

/** Files in PEM. `clientCa` asks clients for a certificate (mTLS); `tokenFile` holds bearer tokens, one per line. */
export const tlsSchema = z.strictObject({
  certificate: z.string().min(1),
  key: z.string().min(1),
  clientCa: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
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
