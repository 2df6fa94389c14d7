import { join } from 'node:path';
import { type Logger, readSmallFile } from '@fnfleet/core';
import { matchCredential } from './credential-match.js';
import type { ImageReference } from './image-reference.js';
import { type Credential, CredentialsError, parseCredentials, type RegistryAuth } from './registry-auth.js';

/** The extension in which a balancer sends the registry token for the image of a call. */
const TOKEN_EXTENSION = 'FN_REGISTRY_TOKEN';

export interface CredentialSources {
  /** Used instead of any file. */
  readonly dockerAuth: readonly Credential[] | undefined;
  /** Directory of `config.json`. */
  readonly dockerConfig: string | undefined;
  /** Directory of `.docker/config.json` and `.dockercfg`. */
  readonly home: string | undefined;
}

/** Finds the credentials for a registry. */
export class RegistryCredentials {
  constructor(
    private readonly sources: CredentialSources,
    private readonly logger: Logger,
  ) {}

  /** Undefined if there are none. Files are read each time, because they may change at any time. */
  async find(
    { registry }: ImageReference,
    extensions: Readonly<Record<string, string>>,
  ): Promise<RegistryAuth | undefined> {
    const token = extensions[TOKEN_EXTENSION];
    if (token) return { registrytoken: token };
    return matchCredential(await this.all(), registry);
  }

  /** All credentials, for a build, which may pull from any of their servers. */
  async all(): Promise<readonly Credential[]> {
    return this.sources.dockerAuth ?? (await this.fromFile());
  }

  /** The credentials of the first readable file. */
  private async fromFile(): Promise<readonly Credential[]> {
    const { dockerConfig, home } = this.sources;
    const paths = [
      ...(dockerConfig ? [join(dockerConfig, 'config.json')] : []),
      ...(home ? [join(home, '.docker', 'config.json'), join(home, '.dockercfg')] : []),
    ];
    for (const path of paths) {
      try {
        return parseCredentials(await readSmallFile(path));
      } catch (error) {
        if (isMissing(error)) continue;
        this.logger.warn('cannot use a registry credentials file', { path, error });
      }
    }
    return [];
  }
}

function isMissing(error: unknown): boolean {
  return !(error instanceof CredentialsError) && (error as NodeJS.ErrnoException).code === 'ENOENT';
}
