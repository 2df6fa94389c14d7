import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsMaterial } from './tls-material.js';

/** TLS 1.3 if the peer supports it. */
const VERSIONS = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const;

/** Options for the context of a server, also accepted by `setSecureContext`. */
export function contextOptions({ cert, key, ca }: TlsMaterial) {
  return { cert, key, ca, ...VERSIONS };
}

export function newSecureContext(material: TlsMaterial): SecureContext {
  return createSecureContext(contextOptions(material));
}
