import { isLoopback, type Logger, SettingsError, type SettingsOf } from '@fnfleet/core';
import { AccessGuard, type httpSettings } from '@fnfleet/http';
import type { MemberCheck } from '@fnfleet/pure-runner';
import { FileIdentity, type TlsIdentity, tlsFiles } from '@fnfleet/tls';
import type { commonSettings } from './common-settings.js';

/** How a role authenticates itself, and which peers it accepts. */
export interface RoleSecurity {
  /** The TLS identity; undefined: plain text. */
  readonly tls: TlsIdentity | undefined;
  /** Access rules of the HTTP port. */
  readonly guard: AccessGuard;
  /** Access rules of the gRPC port. */
  readonly members: MemberCheck | undefined;
  /** Headers with the operator token, for an API node that requires it. */
  readonly operatorToken: string | undefined;
  readonly allowInsecure: boolean;
  /** Stops watching files. Idempotent. */
  close(): void;
}

type SecuritySettings = SettingsOf<typeof commonSettings & typeof httpSettings>;

/**
 * @throws SettingsError when the TLS files are invalid, or when a role without TLS would be reachable from the network
 */
export function roleSecurity(settings: SecuritySettings, logger: Logger): RoleSecurity {
  const {
    tlsAllowedNames: allowedNames,
    operatorToken,
    allowInsecure,
    clientCerts,
    allowedHosts,
    corsOrigins,
  } = settings;
  const files = tlsFiles(settings);
  if (files === undefined) checkPlainText(settings, logger);
  const tls = files && new FileIdentity({ files, logger });
  return {
    tls,
    guard: new AccessGuard({
      clientCerts: tls && clientCerts,
      allowedNames,
      operatorToken,
      allowedHosts,
      corsOrigins,
    }),
    members: tls && { identity: tls, allowedNames, logger },
    operatorToken,
    allowInsecure,
    close: () => tls?.close(),
  };
}

function checkPlainText({ bindAddress, allowInsecure }: SecuritySettings, logger: Logger): void {
  if (isLoopback(bindAddress)) return;
  if (allowInsecure) {
    logger.warn('TLS is off: anyone who can reach the ports of this node can use it (FN_ALLOW_INSECURE)', {
      bindAddress,
    });
    return;
  }
  throw new SettingsError([
    `FN_BIND_ADDRESS: ${bindAddress} can be reached from other machines, and TLS is not configured. Do one of these:
    - make certificates, as docs/security.md tells, and name them: FN_TLS_CERT, FN_TLS_KEY, FN_TLS_CA
        fnfleet certs init
        fnfleet certs issue <name> --san <host that others reach this node at>
    - FN_BIND_ADDRESS=127.0.0.1, for this machine only
    - set FN_ALLOW_INSECURE=1, in a network that nobody else can reach`,
  ]);
}
