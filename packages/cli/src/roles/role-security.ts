import type { commonSettings, SettingsOf } from '@fnfleet/core';
import { AccessGuard } from '@fnfleet/http';

/** How a role proves who it is, and whom it answers. */
export interface RoleSecurity {
  /** Of the HTTP port. */
  readonly guard: AccessGuard;
  /** What it shows an api node that asks for the operator token. */
  readonly operatorToken: string | undefined;
}

export function roleSecurity({ operatorToken }: SettingsOf<typeof commonSettings>): RoleSecurity {
  return { guard: new AccessGuard({ operatorToken }), operatorToken };
}
