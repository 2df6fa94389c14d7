import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  octetString,
  oid,
  sequence,
  set,
  time,
  unsigned,
  utf8,
} from './der.js';

interface CertificateSpec {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** Whether it is a CA, which may sign others; otherwise it is for servers and clients. */
  readonly authority?: boolean;
  readonly altNames?: readonly AltName[];
}

/** The CA that signs. */
export interface Issuer {
  readonly commonName: string;
  /** An ECDSA key on P-256. */
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const VERSION_3 = Buffer.of(2);
const SERIAL_BYTES = 16;
const KEY_ID_BYTES = 20;
/** KeyUsage: the bits from the left, and the number of unused bits in the byte. */
const SIGNS_CERTIFICATES = bitString(Buffer.of(0b0000_0110), 1);
const SIGNS_HANDSHAKES = bitString(Buffer.of(0b1000_0000), 7);

/** Creates an X.509 version 3 certificate (RFC 5280) in PEM. */
export function signCertificate(spec: CertificateSpec, issuer: Issuer): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const unsignedPart = sequence(
    explicit(0, unsigned(VERSION_3)),
    unsigned(randomBytes(SERIAL_BYTES)),
    algorithm,
    nameOf(issuer.commonName),
    sequence(time(spec.validFrom), time(spec.validTo)),
    nameOf(spec.commonName),
    publicKeyInfo(spec.publicKey),
    explicit(3, sequence(...extensions(spec, issuer))),
  );
  const signature = sign('sha256', unsignedPart, { key: issuer.privateKey, dsaEncoding: 'der' });
  return pem(sequence(unsignedPart, algorithm, bitString(signature)));
}

function extensions({ authority = false, publicKey, altNames = [] }: CertificateSpec, issuer: Issuer): Buffer[] {
  // Path length 0: a CA cannot sign other CAs.
  const constraints = authority ? sequence(boolean(true), unsigned(Buffer.of(0))) : sequence();
  const common = [
    extension(OID.basicConstraints, constraints, true),
    extension(OID.keyUsage, authority ? SIGNS_CERTIFICATES : SIGNS_HANDSHAKES, true),
    extension(OID.subjectKeyId, octetString(keyId(publicKey))),
    extension(OID.authorityKeyId, sequence(implicit(0, keyId(issuer.publicKey)))),
  ];
  if (authority) return common;
  return [
    ...common,
    extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
    extension(OID.subjectAltName, sequence(...altNames.map(encodeAltName))),
  ];
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(oid(OID.commonName), utf8(commonName))));
}

function publicKeyInfo(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** A key identifier: any value that differs between keys. */
function keyId(key: KeyObject): Buffer {
  return createHash('sha256').update(publicKeyInfo(key)).digest().subarray(0, KEY_ID_BYTES);
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** A subject alternative name: a host name, an IP address or a URI. */
export type AltName = { readonly kind: 'dns' | 'ip' | 'uri'; readonly value: string };

const URI = /^(urn:|[a-z][a-z\d+.-]*:\/\/)[\x21-\x7e]+$/i;
const MAX_HOST = 253;

/** @throws Error that says what a valid name is */
export function parseAltName(text: string): AltName {
  if (isIPv4(text) || (isIPv6(text) && !text.includes('%'))) return { kind: 'ip', value: text };
  if (isHost(text)) return { kind: 'dns', value: text };
  if (URI.test(text)) return { kind: 'uri', value: text };
  throw new Error(`${JSON.stringify(text)} is neither a host name, nor an IP address, nor a URI`);
}

/** Host names must not contain underscores, but Docker and Compose create such names. The first label may be `*`. */
function isHost(text: string): boolean {
  if (text.length > MAX_HOST || /^[\d.]+$/.test(text)) return false;
  const labels = text.replace(/^\*\./, '').split('.');
  return labels.every((label) => /^[\w-]{1,63}$/.test(label));
}

/** Encodes a GeneralName (RFC 5280). */
function encodeAltName({ kind, value }: AltName): Buffer {
  switch (kind) {
    case 'dns':
      return implicit(2, Buffer.from(value));
    case 'uri':
      return implicit(6, Buffer.from(value));
    case 'ip':
      return implicit(7, ipBytes(value));
  }
}

function ipBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser normalizes an IPv6 address, without dots.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  return Buffer.concat([...before, ...zeros, ...after].map((group) => Buffer.from(group.padStart(4, '0'), 'hex')));
}
