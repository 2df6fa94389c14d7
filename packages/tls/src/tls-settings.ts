import { flag, list, SettingsError, type SettingsOf, text } from '@fnfleet/core';
import type { TlsFiles } from './tls-material.js';

/** TLS between the processes of a fleet, on all their ports and towards each other. */
export const tlsSettings = {
  tlsCert: text('FN_TLS_CERT', {
    doc: 'PEM file with the certificate of this process, the chain after it if there is one. With FN_TLS_KEY and FN_TLS_CA: every port speaks TLS and asks for certificates, and so does every connection to the fleet. Files that are replaced are taken up without a restart.',
  }),
  tlsKey: text('FN_TLS_KEY', { doc: 'PEM file with the private key of that certificate, without a passphrase.' }),
  tlsCa: text('FN_TLS_CA', {
    doc: 'PEM file with the CA of the fleet; with several while one takes over from another.',
  }),
  tlsAllowedNames: list('FN_TLS_ALLOWED_NAMES', {
    defaultText: 'unset: any certificate signed by the CA',
    doc: 'Who may connect: DNS names, URIs, IP addresses or common names, of which a certificate must have one.',
  }),
  allowInsecure: flag('FN_ALLOW_INSECURE', {
    default: false,
    doc: 'Listen beyond loopback, and reach an api node, without TLS. For networks that nobody else can reach.',
  }),
} as const;

export type TlsSettings = SettingsOf<typeof tlsSettings>;

/**
 * The files that the settings name; undefined: there is no TLS.
 * @throws SettingsError when some are missing
 */
export function tlsFiles({ tlsCert: cert, tlsKey: key, tlsCa: ca }: Partial<TlsSettings>): TlsFiles | undefined {
  if (cert !== undefined && key !== undefined && ca !== undefined) return { cert, key, ca };
  const given = { FN_TLS_CERT: cert, FN_TLS_KEY: key, FN_TLS_CA: ca };
  const missing = Object.entries(given).filter(([, path]) => path === undefined);
  if (missing.length === Object.keys(given).length) return undefined;
  const names = missing.map(([name]) => name).join(', ');
  throw new SettingsError([
    `${names}: missing. FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA go together: give all three, or none for plain text`,
  ]);
}
