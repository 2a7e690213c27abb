/** The keys by which issuers sign their tokens. Source: RFC 7517. */
import * as z from 'zod/mini';

/** Of a public key, as a key set has it. */
export const jsonWebKeySchema = z.object({
  kid: z.string().check(z.minLength(1), z.maxLength(256)),
  kty: z.enum(['RSA', 'EC']),
  use: z.optional(z.string()),
  alg: z.optional(z.string()),
  n: z.optional(z.string()),
  e: z.optional(z.string()),
  crv: z.optional(z.string()),
  x: z.optional(z.string()),
  y: z.optional(z.string()),
});
export type SigningKey = z.infer<typeof jsonWebKeySchema>;
