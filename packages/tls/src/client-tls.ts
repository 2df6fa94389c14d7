import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { rolesIn } from './peer-names.js';
import { clientContext, type TlsIdentity } from './tls-identity.js';

export interface ExpectedPeer {
  /** Name that its certificate must have instead of the host. */
  readonly name?: string | undefined;
  /**
   * Roles, one of which its certificate must have if it has any, so that the key of a runner cannot impersonate a
   * balancer.
   */
  readonly roles?: readonly string[];
}

/**
 * TLS options of a client for a connection to a fleet member: it presents its certificate, and accepts only one that
 * the CA signed for the right name and role.
 * @param host a host name or an IP address
 */
export function clientTlsOptions(
  identity: TlsIdentity,
  host: string,
  { name: expectedName = host, roles: expectedRoles }: ExpectedPeer = {},
): ConnectionOptions {
  return {
    secureContext: clientContext(identity),
    servername: isIP(expectedName) === 0 ? expectedName : '',
    rejectUnauthorized: true,
    checkServerIdentity(_host, certificate) {
      const error = checkServerIdentity(expectedName, certificate);
      if (error === undefined) return wrongRole(host, rolesIn(certificate.subjectaltname), expectedRoles);
      const names = certificate.subjectaltname ?? 'none';
      return new Error(`the certificate of ${host} is not for ${expectedName}; its names: ${names}`, { cause: error });
    },
  };
}

function wrongRole(host: string, roles: readonly string[], expected: readonly string[] | undefined): Error | undefined {
  if (expected === undefined || roles.length === 0 || roles.some((role) => expected.includes(role))) return undefined;
  return new Error(`the certificate of ${host} is one of role ${roles.join(', ')}, not ${expected.join(' or ')}`);
}
