import { join } from 'node:path';
import { type Logger, readSmallFile } from '@fnfleet/core';
import type { ImageReference } from './image-reference.js';

/** The extension in which a balancer sends the registry token for the image of a call. */
const TOKEN_EXTENSION = 'FN_REGISTRY_TOKEN';

interface CredentialSources {
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

/** The content of `X-Registry-Auth`. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** Used instead of a password: the engine exchanges it for a registry token. */
  readonly identitytoken?: string;
  /** Sent to the registry unchanged. */
  readonly registrytoken?: string;
  readonly serveraddress?: string;
}

/** Credentials for one server. */
export interface Credential {
  /** As in the configuration: may have a scheme, a port and a path. */
  readonly server: string;
  readonly auth: RegistryAuth;
}

/** Says what is wrong with a credentials text, without quoting it. */
class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
}

interface Entry {
  readonly auth?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/**
 * Parses credentials in the format of the docker command line: `{"auths":{"<server>":{"auth":"<base64>"}}}`, or the same
 * without `auths` around it, as in the old `.dockercfg`. Entries without `auth` are skipped, because their credentials are
 * stored elsewhere.
 *
 * @throws CredentialsError
 */
export function parseCredentials(text: string): readonly Credential[] {
  const file = objectIn(text);
  const servers = 'auths' in file ? file.auths : file;
  if (!isObject(servers)) throw new CredentialsError('`auths` is not an object');
  return Object.entries(servers).flatMap(([server, entry]) => {
    const auth = isObject(entry) ? authOf(server, entry) : undefined;
    return auth === undefined ? [] : [{ server, auth }];
  });
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The message of the parser would quote the text.
    throw new CredentialsError('it is not JSON');
  }
  if (!isObject(parsed)) throw new CredentialsError('it is not a JSON object');
  return parsed;
}

function authOf(server: string, { auth, identitytoken, registrytoken }: Entry): RegistryAuth | undefined {
  if (typeof auth !== 'string' || auth === '') return undefined;
  const [username, password] = userAndPassword(server, auth);
  const tokens = { ...nonEmpty('identitytoken', identitytoken), ...nonEmpty('registrytoken', registrytoken) };
  const secret = Object.keys(tokens).length > 0 ? tokens : { password };
  return { username, ...secret, serveraddress: server };
}

function userAndPassword(server: string, auth: string): [user: string, password: string] {
  const plain = /^[\w+/-]+=*$/.test(auth) ? Buffer.from(auth, 'base64').toString() : '';
  const colon = plain.indexOf(':');
  if (colon < 0) throw new CredentialsError(`\`auth\` of ${JSON.stringify(server)} is not base64 of user:password`);
  return [plain.slice(0, colon), plain.slice(colon + 1)];
}

function nonEmpty(key: string, value: unknown): object {
  return typeof value === 'string' && value !== '' ? { [key]: value } : {};
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The registry names of Docker Hub in image names. */
const HUB_REGISTRIES: ReadonlySet<string> = new Set(['', 'docker.io', 'index.docker.io', 'registry-1.docker.io']);
/** Server names of credentials for Docker Hub; the first match is used. */
const HUB_SERVERS = ['hub.docker.com', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];

/**
 * Finds the credentials for the registry of an image, by its exact host and port. Those of another host, including parent and
 * child domains, may belong to someone else. Only Docker Hub has several names.
 *
 * @param registry empty for Docker Hub
 */
export function matchCredential(credentials: readonly Credential[], registry: string): RegistryAuth | undefined {
  const wanted = registry.toLowerCase();
  for (const name of HUB_REGISTRIES.has(wanted) ? HUB_SERVERS : [wanted]) {
    const found = credentials.find(({ server }) => hostOf(server) === name);
    if (found !== undefined) return found.auth;
  }
  return undefined;
}

/** Host and port of a server name of the docker command line, which may have a scheme and a path. */
function hostOf(server: string): string {
  return server
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/s, '');
}
