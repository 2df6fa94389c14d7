import type { X509Certificate } from 'node:crypto';

/** One entry of a subject alternative name. Node quotes names that would be ambiguous. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
const KINDS: ReadonlySet<string> = new Set(['DNS', 'URI', 'IP Address']);

/** Prefix of the role name in the certificate of a fleet member. */
const ROLE = 'urn:fnfleet:role:';

/** The names in a certificate: DNS names, URIs and IP addresses, then the common name. Without duplicates. */
export function namesOf(certificate: X509Certificate): readonly string[] {
  const names = alternativesOf(certificate.subjectAltName);
  const commonName = certificate.toLegacyObject().subject?.CN;
  return [...new Set([...names, ...[commonName ?? []].flat()])];
}

/**
 * Whether the owner of a certificate may connect.
 * @param allowed names, compared as a whole and case-insensitively; undefined: any certificate signed by the CA
 */
export function isAllowed(names: readonly string[], allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  const wanted = new Set(allowed.map((name) => name.toLowerCase()));
  return names.some((name) => wanted.has(name.toLowerCase()));
}

/** The roles in a certificate; empty if it names none. */
export function rolesIn(subjectAltName: string | undefined): readonly string[] {
  const names = alternativesOf(subjectAltName).filter((name) => name.toLowerCase().startsWith(ROLE));
  return names.map((name) => name.slice(ROLE.length).toLowerCase());
}

function alternativesOf(subjectAltName = ''): string[] {
  const found = [...subjectAltName.matchAll(ALTERNATIVE)].filter(([, kind = '']) => KINDS.has(kind));
  return found.map(([, , name = '']) => unquoted(name));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? (JSON.parse(name) as string) : name;
}
