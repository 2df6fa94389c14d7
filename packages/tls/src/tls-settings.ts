import { flag, list, SettingsError, type SettingsOf, text } from '@fnfleet/core';
import type { TlsFiles } from './tls-material.js';

/** Settings of TLS between the processes of a fleet, for their ports and their connections. */
export const tlsSettings = {
  tlsCert: text('FN_TLS_CERT', {
    doc: 'PEM file with the certificate of this process, followed by intermediate certificates. Together with FN_TLS_KEY and FN_TLS_CA, it enables TLS with client certificates on every port and for every connection to the fleet. Replaced files are reloaded without a restart.',
  }),
  tlsKey: text('FN_TLS_KEY', { doc: 'PEM file with the private key of that certificate, without a passphrase.' }),
  tlsCa: text('FN_TLS_CA', {
    doc: 'PEM file with the CA of the fleet; with both CAs during a rotation.',
  }),
  tlsAllowedNames: list('FN_TLS_ALLOWED_NAMES', {
    defaultText: 'unset: any certificate signed by the CA',
    doc: 'Names that may connect: DNS names, URIs, IP addresses or common names, one of which a certificate must have.',
  }),
  allowInsecure: flag('FN_ALLOW_INSECURE', {
    default: false,
    doc: 'Allow listening on addresses other than loopback, and connecting to an API node, without TLS. For isolated networks only.',
  }),
} as const;

export type TlsSettings = SettingsOf<typeof tlsSettings>;

/**
 * The TLS files that the settings name; undefined if TLS is off.
 * @throws SettingsError when only some of them are set
 */
export function tlsFiles({ tlsCert: cert, tlsKey: key, tlsCa: ca }: Partial<TlsSettings>): TlsFiles | undefined {
  if (cert !== undefined && key !== undefined && ca !== undefined) return { cert, key, ca };
  const given = { FN_TLS_CERT: cert, FN_TLS_KEY: key, FN_TLS_CA: ca };
  const missing = Object.entries(given).filter(([, path]) => path === undefined);
  if (missing.length === Object.keys(given).length) return undefined;
  const names = missing.map(([name]) => name).join(', ');
  throw new SettingsError([
    `${names}: missing. FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA belong together: set all three, or none for plain text`,
  ]);
}
