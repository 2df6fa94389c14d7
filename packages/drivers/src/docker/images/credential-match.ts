import type { Credential, RegistryAuth } from './registry-auth.js';

/** Docker Hub, as images name it. */
const HUB_REGISTRIES: ReadonlySet<string> = new Set(['', 'docker.io', 'index.docker.io', 'registry-1.docker.io']);
/** Under which names the credentials of Docker Hub are kept; the first that is there is taken. */
const HUB_SERVERS = ['hub.docker.com', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];

/**
 * What to show to the registry of an image: the credentials of exactly its host and port. Those of another host, a domain
 * above or below it included, may belong to somebody else. Only Docker Hub has several names.
 *
 * @param registry empty: Docker Hub
 */
export function matchCredential(credentials: readonly Credential[], registry: string): RegistryAuth | undefined {
  const wanted = registry.toLowerCase();
  for (const name of HUB_REGISTRIES.has(wanted) ? HUB_SERVERS : [wanted]) {
    const found = credentials.find(({ server }) => hostOf(server) === name);
    if (found !== undefined) return found.auth;
  }
  return undefined;
}

/** Host and port of a server as the Docker command line writes it: with or without a scheme and a path. */
function hostOf(server: string): string {
  return server
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/s, '');
}
