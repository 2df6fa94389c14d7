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
  /** gRPC port of the first runner; the others use the ports after it. */
  readonly grpcPort: number;
  /** Holds the database and the runners' socket directories. */
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
  /** `host:port` of the gRPC port of each runner. */
  readonly runnerAddresses: readonly string[];
}

const HOST = '127.0.0.1';

/** A fleet as a user would deploy it, on one machine: every process is configured by its environment alone. */
export function planFleet(options: FleetOptions): FleetPlan {
  const { runners, port, grpcPort, dataDir, settings, settingsOf, secure = false } = options;
  const scheme = secure ? 'https' : 'http';
  const apiUrl = `${scheme}://${HOST}:${port}`;
  const lbUrl = `${scheme}://${HOST}:${port + 1}`;
  const node = (name: string, env: Record<string, string>, defaults: Record<string, string> = {}): PlannedNode => ({
    name,
    env: { FN_BIND_ADDRESS: HOST, ...settings, ...settingsOf?.(name), ...env },
    defaults,
  });
  const numbers = Array.from({ length: runners }, (_, index) => index);
  const runnerAddresses = numbers.map((index) => `${HOST}:${grpcPort + index}`);
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
          FN_GRPC_PORT: `${grpcPort + index}`,
          FN_IOFS_PATH: `${dataDir}/iofs`,
        },
        { FN_ENABLE_NB_RESOURCE_TRACKER: '1', FN_ENABLE_DETACHED: '1' },
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
