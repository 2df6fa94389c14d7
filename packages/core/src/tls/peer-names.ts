import type { X509Certificate } from 'node:crypto';

/** One entry of a subject alternative name. Names that could be taken for two are quoted by Node. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
const KINDS: ReadonlySet<string> = new Set(['DNS', 'URI', 'IP Address']);

/** What a certificate calls its owner: DNS names, URIs and IP addresses, then the common name. Without repeats. */
export function namesOf(certificate: X509Certificate): readonly string[] {
  const alternatives = (certificate.subjectAltName ?? '').matchAll(ALTERNATIVE);
  const names = [...alternatives].filter(([, kind = '']) => KINDS.has(kind)).map(([, , name = '']) => unquoted(name));
  const commonName = certificate.toLegacyObject().subject?.CN;
  return [...new Set([...names, ...[commonName ?? []].flat()])];
}

/**
 * Whether the owner of a certificate may connect.
 * @param allowed undefined: anybody whom the CA has signed. Names are compared whole, letters in either case.
 */
export function isAllowed(names: readonly string[], allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  const wanted = new Set(allowed.map((name) => name.toLowerCase()));
  return names.some((name) => wanted.has(name.toLowerCase()));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? (JSON.parse(name) as string) : name;
}
