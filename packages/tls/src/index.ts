export { type AltName, parseAltName } from './authority/alt-name.js';
export {
  type AuthorityOptions,
  type CertifiedKey,
  type IssueOptions,
  issueCertificate,
  newAuthority,
} from './authority/authority.js';
export { readAuthorities as readTlsAuthorities, readMaterial as readTlsMaterial } from './check-material.js';
export { clientTlsOptions, type ExpectedPeer } from './client-tls.js';
export { FileIdentity, type FileIdentityOptions } from './file-identity.js';
export { judgePeer, type PeerVerdict } from './judge-peer.js';
export { isAllowed, namesOf } from './peer-names.js';
export { clientContext, fixedIdentity, keepCurrent, serverTlsOptions, type TlsIdentity } from './tls-identity.js';
export type { CheckedMaterial, TlsFiles, TlsMaterial } from './tls-material.js';
export { type TlsSettings, tlsFiles, tlsSettings } from './tls-settings.js';
