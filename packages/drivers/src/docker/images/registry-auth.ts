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
export class CredentialsError extends Error {
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
