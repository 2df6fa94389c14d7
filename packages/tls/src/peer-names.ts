import type { X509Certificate } from 'node:crypto';

/** One entry of a subject alternative name. Names that could be taken for two are quoted by Node. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
const KINDS: ReadonlySet<string> = new Set(['DNS', 'URI', 'IP Address']);

/** Of a member of a fleet: before the name of its role. */
const ROLE = 'urn:fnfleet:role:';

/** What a certificate calls its owner: DNS names, URIs and IP addresses, then the common name. Without repeats. */
export function namesOf(certificate: X509Certificate): readonly string[] {
  const names = alternativesOf(certificate.subjectAltName);
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

/** The roles that a certificate was made for; empty where it says nothing of roles. */
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
