import { hostOfAddress } from '@fnfleet/core';
import { clientContext, clientTlsOptions } from '@fnfleet/tls';
import type { Client, ClientDuplexStream, StatusObject } from '@grpc/grpc-js';
import { GRPC_STATUS, StreamError } from '../engage/stream.js';
import { type RunnerTls, runnerPeer } from '../transport/runner-link.js';
import { decodeLogBatch, type LogBatch } from './log-messages.js';
import { runnerService } from './runner-proto.js';

/** The name of a runner that has only an address; its certificate is checked for the address. */
const NAMELESS = 'runner.invalid';

export interface CollectorSession {
  /** `host:port` of the runner, or `unix:/path`. */
  readonly address: string;
  /** Undefined: no TLS. */
  readonly tls?: RunnerTls;
  /** Selects the log lines: the keys are in docs/logs.md. */
  readonly config: Readonly<Record<string, string>>;
  /** Called when the runner has answered. */
  readonly onOpen?: () => void;
  /** Called with each batch. When the promise resolves, the batch is acknowledged and the next one sent. Must not throw. */
  readonly onBatch: (batch: LogBatch) => void | Promise<void>;
  readonly signal: AbortSignal;
}

const CHANNEL_OPTIONS = {
  'grpc.use_local_subchannel_pool': 1,
  // Function output may pause for hours: keepalive notices a runner that vanished. A Go runner closes connections that send PINGs
  // more often.
  'grpc.keepalive_time_ms': 5 * 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
};

/**
 * One StreamLogs session, on the side of the collector: `start`, `ready`, then a batch for each `ack`. Resolves when the runner
 * ends it, or when the signal aborts.
 * @throws StreamError if the runner cannot be reached, is lost, or refuses
 */
export async function collectLogs(session: CollectorSession): Promise<void> {
  const { signal } = session;
  if (signal.aborted) return;
  const client = newClient(session);
  const stream = openStream(client);
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const status = await play(stream, session);
    if (status.code !== GRPC_STATUS.OK && !signal.aborted) throw new StreamError(status.code, status.details);
  } finally {
    signal.removeEventListener('abort', cancel);
    client.close();
  }
}

function newClient({ address, tls }: CollectorSession): Client {
  // Loaded only by collectors, because balancers do not need it.
  const { Client, credentials }: typeof import('@grpc/grpc-js') = require('@grpc/grpc-js');
  if (tls === undefined) return new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  const { servername, checkServerIdentity } = clientTlsOptions(tls.identity, hostOfAddress(address), runnerPeer(tls));
  const secure = credentials.createFromSecureContext(clientContext(tls.identity), { checkServerIdentity });
  // The library would send an IP address as server name, which servers may reject.
  const options = { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': servername || NAMELESS };
  return new Client(address, secure, options);
}

function openStream(client: Client): ClientDuplexStream<object, unknown> {
  const method = runnerService().StreamLogs;
  if (method === undefined) throw new Error('runner.proto declares no RunnerProtocol.StreamLogs');
  return client.makeBidiStreamRequest<object, unknown>(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
  );
}

function play(
  stream: ClientDuplexStream<object, unknown>,
  { config, onOpen, onBatch }: CollectorSession,
): Promise<StatusObject> {
  return new Promise((resolve) => {
    stream.on('metadata', () => onOpen?.());
    stream.on('data', async (message: unknown) => {
      // Data beyond what was requested waits in the connection, not in memory.
      stream.pause();
      await onBatch(decodeLogBatch(message));
      stream.resume();
      stream.write({ ack: {} });
    });
    stream.on('error', () => undefined); // the status says the same
    stream.on('status', resolve);
    stream.write({ start: { config } });
    stream.write({ ready: {} });
  });
}
