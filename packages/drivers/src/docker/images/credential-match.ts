import type { Credential, RegistryAuth } from './registry-auth.js';

/** Under which names the credentials of Docker Hub are kept. */
const HUB_NAMES = ['hub.docker.com', 'index.docker.io'];

/**
 * What to show to the registry of an image. A server's credentials serve its own host and the domains above it, port
 * included: those of `top.example.com:443` also serve `example.com:443`. The closest server is taken.
 *
 * @param registry empty: Docker Hub
 */
export function matchCredential(credentials: readonly Credential[], registry: string): RegistryAuth | undefined {
  for (const name of registry === '' ? HUB_NAMES : [registry]) {
    const [closest] = credentials
      .map(({ server, auth }) => ({ auth, distance: domainsOf(server).indexOf(name.toLowerCase()) }))
      .filter(({ distance }) => distance >= 0)
      .sort((a, b) => a.distance - b.distance);
    if (closest !== undefined) return closest.auth;
  }
  return undefined;
}

/** The server's host and the domains above it, closest first, down to two labels. A single label has none. */
export function domainsOf(server: string): readonly string[] {
  const host = server
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/\/.*$/, '');
  const labels = host.split('.');
  return labels.slice(0, -1).map((_, index) => labels.slice(index).join('.'));
}
