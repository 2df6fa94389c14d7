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
