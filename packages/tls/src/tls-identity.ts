import type { SecureContext, Server } from 'node:tls';
import { contextOptions, newSecureContext } from './secure-context.js';
import type { TlsMaterial } from './tls-material.js';

/** Who a process is towards others. What it shows may change at any time; connections that exist stay. */
export interface TlsIdentity {
  readonly material: TlsMaterial;
  /** @returns how to stop listening */
  onChange(listener: () => void): () => void;
}

/** One that never changes. */
export function fixedIdentity(material: TlsMaterial): TlsIdentity {
  return { material, onChange: () => () => undefined };
}

/** What a server is made with: it asks its clients for certificates, if there is a CA to judge them by. */
export function serverTlsOptions({ material }: TlsIdentity) {
  return { ...contextOptions(material), requestCert: material.ca !== undefined };
}

/** Keeps a server's certificate up to date, until it closes. */
export function keepCurrent(server: Pick<Server, 'setSecureContext' | 'once'>, identity: TlsIdentity): void {
  const stop = identity.onChange(() => server.setSecureContext(contextOptions(identity.material)));
  server.once('close', stop);
}

const contexts = new WeakMap<TlsMaterial, SecureContext>();

/** For connections of a client; made once. */
export function clientContext({ material }: TlsIdentity): SecureContext {
  let context = contexts.get(material);
  if (context === undefined) {
    context = newSecureContext(material);
    contexts.set(material, context);
  }
  return context;
}
