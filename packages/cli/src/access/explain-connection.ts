/** OpenSSL codes for a certificate with an unknown issuer. */
const UNKNOWN_SIGNER: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** Codes that result from sending plain text to a TLS port. */
const CUT_OFF: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET']);

/**
 * Adds a remedy, if one is known, to the error of a failed request: messages of OpenSSL and sockets name neither the
 * setting nor the scheme that is wrong.
 */
export function explainConnection(url: string, cause: unknown): Error {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const { protocol, host } = new URL(url);
  const told = (remedy: string) => new Error(`${message || code}: ${remedy}`, { cause });
  if (UNKNOWN_SIGNER.has(code)) {
    return told(`${host} has a certificate of an unknown CA; set FN_TLS_CA=<ca.crt of the fleet>`);
  }
  if (protocol === 'http:' && CUT_OFF.has(code)) {
    return told(`if ${host} uses TLS, use https://${host} and set FN_TLS_CA to its CA`);
  }
  if (protocol === 'https:' && /wrong version number|packet length too long/i.test(message)) {
    return told(`${host} does not use TLS; use http://${host} if that is intended`);
  }
  if (/certificate required|bad certificate|unknown ca/i.test(message)) {
    return told(`${host} requires a certificate of its fleet: set FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA`);
  }
  return cause instanceof Error ? cause : new Error(String(cause));
}
