export {
  type AuthorityOptions,
  type CertifiedKey,
  type IssueOptions,
  issueCertificate,
  newAuthority,
} from './authority/authority.js';
export { type AltName, parseAltName } from './authority/certificate.js';
export { readAuthorities as readTlsAuthorities, readMaterial as readTlsMaterial } from './check-material.js';
export { FileIdentity, type FileIdentityOptions } from './file-identity.js';
export { clientTlsOptions, type ExpectedPeer, isAllowed, judgePeer, namesOf, type PeerVerdict } from './peer-checks.js';
export { clientContext, fixedIdentity, keepCurrent, serverTlsOptions, type TlsIdentity } from './tls-identity.js';
export type { CheckedMaterial, TlsFiles, TlsMaterial } from './tls-material.js';
export { type TlsSettings, tlsFiles, tlsSettings } from './tls-settings.js';
