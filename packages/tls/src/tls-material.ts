import type { WallMs } from '@fnfleet/core';

/** Where the three are: paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** PEM texts. */
export interface TlsMaterial {
  /** The certificate, then those between it and the CA. Undefined, as the key: a client that shows none. */
  readonly cert?: string;
  readonly key?: string;
  /** Whom peers must be signed by. Undefined: servers do not ask, clients trust what the system trusts. */
  readonly ca?: string;
}

/** Material that has been checked. */
export interface CheckedMaterial extends TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** Of the certificate. */
  readonly names: readonly string[];
  /** When the certificate, or the CA that signed it, ends. */
  readonly expiresAt: WallMs;
  /** The variable whose file ends first. */
  readonly endsFirst: keyof TlsFiles;
}
