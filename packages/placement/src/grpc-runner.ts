import {
  type DelayLine,
  InflightTracker,
  Listeners,
  type Logger,
  Once,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import {
  type AttemptOutcome,
  type ChannelOptions,
  decodeRunnerStatus,
  type LoadReport,
  newStatusLimits,
  type OutboundCall,
  offerCall,
  RunnerChannel,
  type RunnerStatus,
} from '@fnfleet/protocol';
import type { LoadListener, Runner } from './runner.js';

export interface GrpcRunnerOptions extends ChannelOptions {
  /** How long `status` waits for an answer, milliseconds. Default 5000. */
  readonly statusTimeoutMs?: number;
}

/** A runner reached over gRPC at `host:port` or `unix:/path`. Connects with the first call. */
export function newGrpcRunner(address: string, options: GrpcRunnerOptions = {}): Runner {
  return new GrpcRunner(address, options);
}

const DEFAULT_STATUS_TIMEOUT_MS = 5000;
const NO_BYTES = Buffer.alloc(0);

class GrpcRunner implements Runner {
  private readonly loads = new Listeners<Parameters<LoadListener>>();
  private readonly channel: RunnerChannel;
  private readonly calls = new InflightTracker();
  private readonly logger: Logger;
  private readonly statusLimits: DelayLine;
  private readonly endCall = () => this.calls.end();
  private readonly tellLoad = (load: LoadReport, call: OutboundCall) => this.loads.emit(load, call);
  private readonly closing = new Once(async () => {
    await this.calls.whenIdle();
    await this.channel.close();
    this.statusLimits.close();
  });

  constructor(
    readonly address: string,
    private readonly options: GrpcRunnerOptions,
  ) {
    this.logger = (options.logger ?? silentLogger).child({ runner: address });
    this.channel = new RunnerChannel(address, options);
    this.statusLimits = newStatusLimits(options.clock ?? systemClock);
  }

  get isUnresponsive(): boolean {
    return this.channel.isUnresponsive;
  }

  subscribe(listener: LoadListener): () => void {
    return this.loads.subscribe(listener);
  }

  tryCall(call: OutboundCall, signal: AbortSignal): Promise<AttemptOutcome> {
    if (this.closing.called) {
      return Promise.resolve({ kind: 'refused', reason: 'closed', error: new Error('Runner is closed') });
    }
    this.calls.begin();
    const onLoad = this.loads.isEmpty ? undefined : this.tellLoad;
    const outcome = offerCall(call, this.channel, signal, this.logger, onLoad, this.statusLimits);
    void outcome.then(this.endCall);
    return outcome;
  }

  async status(signal?: AbortSignal): Promise<RunnerStatus> {
    const timeoutMs = this.options.statusTimeoutMs ?? DEFAULT_STATUS_TIMEOUT_MS;
    const status = decodeRunnerStatus(
      await this.channel.unary('/RunnerProtocol/Status', NO_BYTES, { timeoutMs, signal }),
    );
    // The address may now belong to another runner, even one of Fn.
    this.channel.isOurs = status.load !== undefined;
    if (status.load) this.loads.emit(status.load, undefined);
    return status;
  }

  close(): Promise<void> {
    return this.closing.call();
  }
}
