import { readSmallFileSync } from '@fnfleet/core';
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { LogTrouble } from './log-trouble.js';
import type { NatsTarget } from './nats-url.js';

/** How many servers that only sync now and then must have a message before it counts as kept. */
const ENOUGH_REPLICAS = 3;
const RECONNECT_MS = 500;
/** A server that answers nothing is given up after two of these. */
const PING_MS = 5_000;
const MAX_VARZ_BYTES = 1024 * 1024;

/** A connection to JetStream. */
export interface NatsServer {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
}

/**
 * Connects, and reconnects whenever the connection is lost.
 * @throws LogTrouble that says what an operator has to do
 */
export async function connectNats(target: NatsTarget, timeoutMs: number): Promise<NatsServer> {
  const connection = await connect(connectionOptions(target, timeoutMs)).catch((error: unknown) => {
    throw connectionTrouble(error as Error, target);
  });
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs });
    await manager.getAccountInfo().catch((error: unknown) => {
      throw new LogTrouble('setup', `JetStream cannot be used there: ${(error as Error).message}`, { cause: error });
    });
    return { connection, manager };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function connectionOptions(target: NatsTarget, timeoutMs: number): ConnectionOptions {
  const { servers, user, password, token, credentialsFile, tls } = target;
  return {
    servers: [...servers],
    name: 'fnfleet queue',
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_MS / 5,
    pingInterval: PING_MS,
    // A server that has just started may not know the users yet.
    ignoreAuthErrorAbort: true,
    // Only those of the URL: others may be reachable by names that only the servers know.
    ignoreClusterUpdates: true,
    authenticator: [
      ...(credentialsFile === undefined ? [] : [credsAuthenticator(Buffer.from(readFile('creds', credentialsFile)))]),
      ...(user === undefined ? [] : [usernamePasswordAuthenticator(user, password)]),
      ...(token === undefined ? [] : [tokenAuthenticator(token)]),
    ],
    ...(tls && {
      tls: {
        ca: tls.caFile && readFile('tls_ca', tls.caFile),
        cert: tls.certFile && readFile('tls_cert', tls.certFile),
        key: tls.keyFile && readFile('tls_key', tls.keyFile),
      },
    }),
  };
}

function readFile(parameter: string, path: string): string {
  try {
    return readSmallFileSync(path);
  } catch (error) {
    throw new LogTrouble('setup', `${parameter}=${path}: ${(error as Error).message}`);
  }
}

/** What to do about it. */
function connectionTrouble(error: Error, { tls, servers }: NatsTarget): LogTrouble {
  if (error instanceof LogTrouble) return error;
  const setup = (message: string) => new LogTrouble('setup', message, { cause: error });
  const { code } = (error.cause ?? error) as { code?: unknown };
  const why = `${error.message} ${(error.cause as Error | undefined)?.message ?? ''}`;
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return setup('the server does not accept the user and password, the token or the creds of the URL');
  }
  if (/does not support 'tls'/.test(why)) {
    return setup('the server has no TLS: configure it, or allow plain text with ?tls=off');
  }
  if (/certificate|CERT|SELF_SIGNED|altnames/i.test(`${why} ${code}`)) {
    const remedy = tls && tls.caFile === undefined ? '; name its CA with ?tls_ca=<file>' : '';
    return setup(`the certificate of the server is not accepted (${code ?? error.message})${remedy}`);
  }
  if (/SSL|TLS/.test(`${why} ${code}`)) return setup(`TLS with the server fails: ${error.message}`);
  return new LogTrouble('unreachable', `no server answers at ${servers.join(', ')} (${error.message})`, {
    cause: error,
  });
}

/**
 * Finds out whether the server has a message on disk when it acknowledges it. A client sees how many replicas a stream has; whether
 * the server syncs is only in what its monitoring port shows.
 * @throws LogTrouble unless that is proved
 */
export async function mustBeDurable(
  { connection }: NatsServer,
  { config, cluster }: StreamInfo,
  { monitor }: NatsTarget,
  timeoutMs: number,
): Promise<void> {
  const stream = `stream ${config.name}`;
  if (config.storage !== 'file') throw new LogTrouble('setup', `${stream} is in memory: it must have file storage`);
  if (config.num_replicas >= ENOUGH_REPLICAS) return;
  const version = connection.info?.version ?? '';
  const unless = 'or set FN_MQ_ALLOW_UNSYNCED=1 if calls may be lost when the machine loses power';
  const few = `${stream} has ${config.num_replicas} replica${config.num_replicas === 1 ? '' : 's'}`;
  if (!canSyncAlways(version)) {
    const remedy = `use three replicas (?replicas=3), or NATS 2.10 or newer with sync_interval: always, ${unless}`;
    throw new LogTrouble('setup', `NATS ${version} acknowledges what it has not synced, and ${few}: ${remedy}`);
  }
  if (monitor === undefined) {
    const remedy = `set sync_interval: always and name the monitoring port of the server with ?monitor=http://<host>:8222, or use three replicas (?replicas=3), ${unless}`;
    throw new LogTrouble('setup', `${few}, and a client cannot see whether NATS syncs what it acknowledges: ${remedy}`);
  }
  const seen = await readVarz(monitor, timeoutMs);
  const keeper = cluster?.leader ?? connection.info?.server_name;
  if (seen.server_name !== keeper) {
    throw new LogTrouble('setup', `monitor=${monitor} is that of ${seen.server_name}, but ${keeper} keeps ${stream}`);
  }
  if (seen.jetstream?.config?.sync_always !== true) {
    throw new LogTrouble('setup', `NATS does not sync what it acknowledges: set sync_interval: always, ${unless}`);
  }
}

function canSyncAlways(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 10);
}

interface Varz {
  readonly server_name?: string;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } };
}

async function readVarz(monitor: string, timeoutMs: number): Promise<Varz> {
  const url = `${monitor.replace(/\/$/, '')}/varz`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (text.length > MAX_VARZ_BYTES) throw new Error(`the answer has more than ${MAX_VARZ_BYTES} bytes`);
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    return JSON.parse(text) as Varz;
  } catch (error) {
    const { message, cause } = error as Error;
    const why = (cause as Error | undefined)?.message ?? message;
    throw new LogTrouble('setup', `whether NATS syncs cannot be seen: ${url}: ${why}`, { cause: error });
  }
}
