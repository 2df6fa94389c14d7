import { createSecureContext, type SecureContext } from 'node:tls';
import type { WallMs } from '@fnfleet/core';

/** Paths of the PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** The contents of the PEM files. */
export interface TlsMaterial {
  /** The certificate, followed by intermediate ones. Undefined, like the key, for a client without a certificate. */
  readonly cert?: string;
  readonly key?: string;
  /**
   * CAs that must have signed peers. Undefined: servers request no certificates, and clients trust the CAs of the
   * system.
   */
  readonly ca?: string;
}

/** TLS material that has passed the checks. */
export interface CheckedMaterial extends TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** Names in the certificate. */
  readonly names: readonly string[];
  /** When the certificate or the CA that signed it expires, whichever is first. */
  readonly expiresAt: WallMs;
  /** Which of the two expires first. */
  readonly endsFirst: keyof TlsFiles;
}

/** TLS 1.3 if the peer supports it. */
const VERSIONS = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const;

/** Options for the context of a server, also accepted by `setSecureContext`. */
export function contextOptions({ cert, key, ca }: TlsMaterial) {
  return { cert, key, ca, ...VERSIONS };
}

export function newSecureContext(material: TlsMaterial): SecureContext {
  return createSecureContext(contextOptions(material));
}
