import type { SecureContext, Server } from 'node:tls';
import { contextOptions, newSecureContext, type TlsMaterial } from './tls-material.js';

/** The TLS identity of a process. Its material may change at any time; existing connections stay open. */
export interface TlsIdentity {
  readonly material: TlsMaterial;
  /** @returns a function that removes the listener */
  onChange(listener: () => void): () => void;
}

/** An identity that never changes. */
export function fixedIdentity(material: TlsMaterial): TlsIdentity {
  return { material, onChange: () => () => undefined };
}

/** Options for a TLS server, which requests client certificates if there is a CA to verify them. */
export function serverTlsOptions({ material }: TlsIdentity) {
  return { ...contextOptions(material), requestCert: material.ca !== undefined };
}

/** Updates the certificate of a server until it closes. */
export function keepCurrent(server: Pick<Server, 'setSecureContext' | 'once'>, identity: TlsIdentity): void {
  const stop = identity.onChange(() => server.setSecureContext(contextOptions(identity.material)));
  server.once('close', stop);
}

const contexts = new WeakMap<TlsMaterial, SecureContext>();

/** The context for client connections; created once. */
export function clientContext({ material }: TlsIdentity): SecureContext {
  let context = contexts.get(material);
  if (context === undefined) {
    context = newSecureContext(material);
    contexts.set(material, context);
  }
  return context;
}
