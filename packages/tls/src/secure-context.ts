import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsMaterial } from './tls-material.js';

/** TLS 1.3 where the peer knows it. */
const VERSIONS = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const;

/** What a server's context is made of, and `setSecureContext` takes. */
export function contextOptions({ cert, key, ca }: TlsMaterial) {
  return { cert, key, ca, ...VERSIONS };
}

export function newSecureContext(material: TlsMaterial): SecureContext {
  return createSecureContext(contextOptions(material));
}
