import type { Credential, RegistryAuth } from './registry-auth.js';

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
