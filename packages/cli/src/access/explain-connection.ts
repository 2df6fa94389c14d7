/** Codes of OpenSSL for a certificate whose signer is not known. */
const UNKNOWN_SIGNER: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** What becomes of plain text that was sent to a port with TLS. */
const CUT_OFF: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET']);

/**
 * Why a request to a node had no answer, with what to do where that is known: the words of OpenSSL and of sockets name neither
 * the setting nor the scheme that is wrong.
 */
export function explainConnection(url: string, cause: unknown): Error {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const { protocol, host } = new URL(url);
  const told = (remedy: string) => new Error(`${message || code}: ${remedy}`, { cause });
  if (UNKNOWN_SIGNER.has(code)) {
    return told(`${host} shows a certificate of a CA that is not known here; FN_TLS_CA=<ca.crt of the fleet> names it`);
  }
  if (protocol === 'http:' && CUT_OFF.has(code)) {
    return told(`if ${host} has TLS, write https://${host}, and name its CA in FN_TLS_CA`);
  }
  if (protocol === 'https:' && /wrong version number|packet length too long/i.test(message)) {
    return told(`${host} speaks plain text; write http://${host}, if that is meant`);
  }
  if (/certificate required|bad certificate|unknown ca/i.test(message)) {
    return told(`${host} wants a certificate of its fleet: FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA name ours`);
  }
  return cause instanceof Error ? cause : new Error(String(cause));
}
