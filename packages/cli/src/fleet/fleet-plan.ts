import path from 'node:path';
import { problemOfUnixAddress } from '@fnfleet/core';

/** One process of a local fleet: its name and its environment. */
export interface PlannedNode {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Defaults, which the environment of this process may override. */
  readonly defaults: Readonly<Record<string, string>>;
}

export interface FleetOptions {
  readonly runners: number;
  /** HTTP port of the API node; the balancer and then the runners use the ports after it. */
  readonly port: number;
  /** Where runners serve gRPC: TCP ports from this one on, or unix sockets in this directory, which only its owner may enter. */
  readonly grpc: { readonly port: number } | { readonly socketsDir: string };
  /** Holds the database and the socket directories of functions. */
  readonly dataDir: string;
  /** Additional settings of every node; they override the environment of this process. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Additional settings of single nodes (`api`, `lb`, `runner1` …); they override all others. */
  readonly settingsOf?: ((node: string) => Readonly<Record<string, string>>) | undefined;
  /** Whether the nodes use TLS (FN_TLS_CERT). */
  readonly secure?: boolean;
}

export interface FleetPlan {
  readonly api: PlannedNode;
  readonly lb: PlannedNode;
  readonly runners: readonly PlannedNode[];
  readonly apiUrl: string;
  readonly lbUrl: string;
  /** Where each runner serves gRPC: `host:port` or `unix:/path`. */
  readonly runnerAddresses: readonly string[];
}

const HOST = '127.0.0.1';
export const DEFAULT_GRPC_PORT = 9190;

/** A fleet as a user would deploy it, on one machine: every process is configured by its environment alone. */
export function planFleet(options: FleetOptions): FleetPlan {
  const { runners, port, dataDir, settings, settingsOf, secure = false } = options;
  const scheme = secure ? 'https' : 'http';
  const apiUrl = `${scheme}://${HOST}:${port}`;
  const lbUrl = `${scheme}://${HOST}:${port + 1}`;
  const node = (name: string, env: Record<string, string>, defaults: Record<string, string> = {}): PlannedNode => ({
    name,
    env: { FN_BIND_ADDRESS: HOST, ...settings, ...settingsOf?.(name), ...env },
    defaults,
  });
  const numbers = Array.from({ length: runners }, (_, index) => index);
  const grpc = numbers.map((index) => grpcOf(options.grpc, index));
  const runnerAddresses = grpc.map(({ address }) => address);
  return {
    apiUrl,
    lbUrl,
    runnerAddresses,
    api: node('api', {
      FN_NODE_TYPE: 'api',
      FN_PORT: `${port}`,
      FN_DB_URL: `sqlite3://${dataDir}/fn.db`,
      FN_PUBLIC_LB_URL: lbUrl,
    }),
    runners: numbers.map((index) =>
      node(
        `runner${index + 1}`,
        {
          FN_NODE_TYPE: 'pure-runner',
          FN_PORT: `${port + 2 + index}`,
          ...grpc[index]?.env,
          FN_IOFS_PATH: `${dataDir}/iofs`,
        },
        { FN_ENABLE_NB_RESOURCE_TRACKER: '1', FN_ENABLE_DETACHED: '1', ...grpc[index]?.defaults },
      ),
    ),
    lb: node(
      'lb',
      {
        FN_NODE_TYPE: 'lb',
        FN_PORT: `${port + 1}`,
        FN_RUNNER_API_URL: apiUrl,
        FN_RUNNER_ADDRESSES: runnerAddresses.join(','),
      },
      // A developer waits for each change, so functions are looked up again soon.
      { FN_LOOKUP_TTL_MSECS: '500' },
    ),
  };
}

interface Grpc {
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  readonly defaults?: Readonly<Record<string, string>>;
}

/** Where a runner serves gRPC, and the settings for it. An empty one is as good as none in the environment of this process. */
function grpcOf(grpc: FleetOptions['grpc'], index: number): Grpc {
  if ('port' in grpc) return onPort(grpc.port + index);
  const name = `runner${index + 1}`;
  const address = `unix:${path.join(grpc.socketsDir, name)}`;
  // A path can be too long for a socket.
  if (problemOfUnixAddress(address) !== undefined) return onPort(DEFAULT_GRPC_PORT + index);
  return { address, env: { FN_GRPC_SOCKET: address }, defaults: { FN_RUNNER_NAME: name } };
}

function onPort(port: number): Grpc {
  return { address: `${HOST}:${port}`, env: { FN_GRPC_PORT: `${port}`, FN_GRPC_SOCKET: '' } };
}
