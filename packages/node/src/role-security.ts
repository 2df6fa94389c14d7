import { isLoopback, type Logger, SettingsError, type SettingsOf } from '@fnfleet/core';
import { AccessGuard, type httpSettings } from '@fnfleet/http';
import type { MemberCheck } from '@fnfleet/pure-runner';
import { FileIdentity, type TlsIdentity, tlsFiles } from '@fnfleet/tls';
import type { commonSettings } from './common-settings.js';

/** How a role proves who it is, and whom it answers. */
export interface RoleSecurity {
  /** Undefined: plain text. */
  readonly tls: TlsIdentity | undefined;
  /** Of the HTTP port. */
  readonly guard: AccessGuard;
  /** Of the gRPC port. */
  readonly members: MemberCheck | undefined;
  /** What it shows an api node that asks for the operator token. */
  readonly operatorToken: string | undefined;
  readonly allowInsecure: boolean;
  /** Stops watching files. Idempotent. */
  close(): void;
}

type SecuritySettings = SettingsOf<typeof commonSettings & typeof httpSettings>;

/** @throws SettingsError when the TLS files are wrong, or when anybody in the network could reach a role without TLS */
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
    logger.warn('without TLS, whoever reaches the ports of this node can use it (FN_ALLOW_INSECURE)', { bindAddress });
    return;
  }
  throw new SettingsError([
    `FN_BIND_ADDRESS: ${bindAddress} can be reached from other machines, and there is no TLS. Do one of these:
    - make certificates, as docs/security.md tells, and name them: FN_TLS_CERT, FN_TLS_KEY, FN_TLS_CA
        fnfleet certs init
        fnfleet certs issue <name> --san <host that others reach this node at>
    - FN_BIND_ADDRESS=127.0.0.1, for this machine only
    - FN_ALLOW_INSECURE=1, in a network that nobody else can reach`,
  ]);
}
