import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { NatsServer, PostgresServer } from '@fnfleet/testing';

/** A process that is killed with SIGKILL and started again. */
export interface Victim {
  readonly name: string;
  readonly canBeSuspended: boolean;
  /** Resolves when it serves. */
  start(): Promise<void>;
  /** Resolves when it is gone. */
  kill(): Promise<void>;
  /** It keeps its connections, and answers nothing until it is resumed. */
  suspend(): void;
  resume(): void;
}

/** Where the API node keeps asynchronous calls, for as long as one run. */
export interface ChaosStore {
  /** Of the API node. */
  readonly settings: Readonly<Record<string, string>>;
  /** Its servers. */
  readonly victims: readonly Victim[];
  /** To see that the judge notices: changes what is stored while no process has it open. */
  readonly plant?: (fault: PlantedFault, callId: string) => boolean;
  close(): Promise<void>;
}

/** `loss`: a call is forgotten. `duplicate`: one that runs is to run again, as if it had not. */
export type PlantedFault = 'loss' | 'duplicate';

/** @param folder for its files; it exists as long as the store */
type OpenStore = (folder: string) => Promise<ChaosStore>;

/** In the order in which `--store all` takes them. */
export const STORES: ReadonlyMap<string, OpenStore> = new Map([
  ['sqlite', openSqlite],
  ['postgres', openPostgres],
  ['nats', openNats],
]);

async function openSqlite(folder: string): Promise<ChaosStore> {
  const file = path.join(folder, 'fn-mq.db');
  return {
    settings: { FN_MQ_URL: `sqlite3://${file}` },
    victims: [],
    plant(fault, callId) {
      const database = new DatabaseSync(file);
      const { changes } =
        fault === 'loss'
          ? database.prepare('delete from messages where call_id = ?').run(callId)
          : database
              .prepare(
                'update messages set state = 0, due = null, attempt = attempt - 1 where call_id = ? and state = 2',
              )
              .run(callId);
      database.close();
      return Number(changes) > 0;
    },
    close: async () => undefined,
  };
}

async function openPostgres(): Promise<ChaosStore> {
  const server = await PostgresServer.start({ fsync: true });
  return served('Postgres', server, { FN_MQ_URL: server.url(await server.createDatabase()) });
}

/** As in production, it shows that it syncs: no permission is needed. */
async function openNats(folder: string): Promise<ChaosStore> {
  const server = await NatsServer.start({ syncInterval: 'always' });
  const url = server.url('', { query: `?monitor=${server.monitor}` });
  return served('NATS', server, { FN_MQ_URL: url, FN_MQ_CACHE_DIR: path.join(folder, 'nats') });
}

/** A store in a server that is a victim itself. */
function served(name: string, server: PostgresServer | NatsServer, settings: ChaosStore['settings']): ChaosStore {
  const victim: Victim = {
    name,
    canBeSuspended: false,
    start: () => server.restart(),
    kill: () => server.kill(),
    suspend: () => server.freeze(),
    resume: () => server.thaw(),
  };
  return { settings, victims: [victim], close: () => server.close() };
}
