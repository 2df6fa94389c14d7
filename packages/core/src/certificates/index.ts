export { type AltName, parseAltName } from './alt-name.js';
export {
  type AuthorityOptions,
  type CertifiedKey,
  type IssueOptions,
  issueCertificate,
  newAuthority,
} from './authority.js';
