import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Docker from 'dockerode';

/** A function has begun to run a call. */
export interface Run {
  readonly callId: string;
  /** NaN if the function was not told. */
  readonly attempt: number;
  readonly label: string;
  /** Of the container. */
  readonly instance: string;
}

/** Where functions report what they run: outside the fleet, so that it survives whatever is killed. */
export class RunRecorder {
  readonly runs: Run[] = [];
  private readonly callIds = new Set<string>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<RunRecorder> {
    const server = createServer();
    const recorder = new RunRecorder(server);
    server.on('request', (req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        recorder.add(JSON.parse(Buffer.concat(chunks).toString()));
        // A function that gets no CPU for seconds would report on a connection that is being closed because it was idle, and fail.
        res.setHeader('Connection', 'close').end();
      });
      // Of a container that was killed.
      req.on('error', () => undefined);
    });
    // Where containers of Docker's default network reach this process, and nobody else does.
    const { IPAM } = await new Docker().getNetwork('bridge').inspect();
    const gateway = gatewayOf(IPAM?.Config?.[0]);
    if (gateway === undefined) throw new Error("Docker's network `bridge` has no gateway, which functions report to");
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, gateway, resolve);
    });
    return recorder;
  }

  get url(): string {
    const { address, port } = this.server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** How many calls have begun to run. */
  get begun(): number {
    return this.callIds.size;
  }

  hasBegun(callId: string): boolean {
    return this.callIds.has(callId);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private add(run: Run): void {
    this.runs.push({ ...run, attempt: run.attempt ?? Number.NaN });
    this.callIds.add(run.callId);
  }
}

/**
 * The address of the host in a network of Docker. An engine does not name that of the network that it has made at its very first
 * start, until it is started again: it is the first address of the subnet.
 */
export function gatewayOf(config: { Gateway?: string; Subnet?: string } = {}): string | undefined {
  return config.Gateway ?? config.Subnet?.match(/^(?:\d+\.){3}0(?=\/)/)?.[0].replace(/0$/, '1');
}
