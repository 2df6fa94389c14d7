import type { TlsFiles } from '../http/json-http.js';
import { checkParams, type PoolDeps, type PoolUrl } from '../pool-url.js';
import { isPort, joinAddress } from '../runner-address.js';

/** A service, and how to watch its endpoints. */
export interface KubernetesPlace {
  readonly namespace: string;
  readonly service: string;
  /** The port of the pods, by name or number. Undefined: the only one, or the one named grpc. */
  readonly port: string | number | undefined;
  readonly api: KubernetesApiPlace;
}

export interface KubernetesApiPlace {
  /** `https://host:port` */
  readonly server: string;
  /** A file that is read for each request, because Kubernetes renews it every hour. Undefined: no token is sent. */
  readonly tokenFile: string | undefined;
  readonly tls: TlsFiles;
}

export const KUBERNETES_FORM = 'k8s://namespace/service:port';
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** @throws Error that says what is wrong */
export function parseKubernetesUrl(url: PoolUrl, inCluster: PoolDeps['kubernetes']): KubernetesPlace {
  checkParams(url, ['server', 'token', 'ca']);
  const [service = '', port, ...more] = url.path.slice(1).split(':');
  if (!NAME.test(url.authority) || !NAME.test(service) || more.length > 0)
    throw new Error(`expected ${KUBERNETES_FORM}`);
  return { namespace: url.authority, service, port: portOf(port), api: apiOf(url, inCluster) };
}

function portOf(text: string | undefined): string | number | undefined {
  if (text === undefined) return undefined;
  if (isPort(text)) return Number(text);
  if (NAME.test(text) && /[a-z]/.test(text)) return text;
  throw new Error(`the port must be a number from 1 to 65535 or a name, got ${JSON.stringify(text)}`);
}

function apiOf(url: PoolUrl, inCluster: PoolDeps['kubernetes']): KubernetesApiPlace {
  const server = url.params.get('server');
  const tokenFile = url.params.get('token');
  const ca = url.params.get('ca');
  if (server !== undefined) return { server: originOf(server), tokenFile, tls: { ca } };
  if (inCluster === undefined) {
    throw new Error('KUBERNETES_SERVICE_HOST is not set; outside a cluster, add ?server=https://host:port');
  }
  return {
    server: `https://${joinAddress(inCluster.host, Number(inCluster.port))}`,
    tokenFile: tokenFile ?? `${ACCOUNT}/token`,
    tls: { ca: ca ?? `${ACCOUNT}/ca.crt` },
  };
}

function originOf(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new Error(`server: expected https://host:port, got ${JSON.stringify(server)}`);
  }
  return url.origin;
}
