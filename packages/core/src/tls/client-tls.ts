import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { clientContext, type TlsIdentity } from './tls-identity.js';

/**
 * How a client connects to a member of the fleet: it shows its certificate, and takes none but one that the CA has
 * signed for the right name.
 * @param host a name or an IP address
 * @param expectedName what the peer's certificate must say in place of the host
 */
export function clientTlsOptions(identity: TlsIdentity, host: string, expectedName = host): ConnectionOptions {
  return {
    secureContext: clientContext(identity),
    servername: isIP(expectedName) === 0 ? expectedName : '',
    rejectUnauthorized: true,
    checkServerIdentity(_host, certificate) {
      const error = checkServerIdentity(expectedName, certificate);
      if (error === undefined) return undefined;
      const names = certificate.subjectaltname ?? 'none';
      return new Error(`the certificate of ${host} is not for ${expectedName}; its names: ${names}`, { cause: error });
    },
  };
}
