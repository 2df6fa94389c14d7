// needs: nats-server-2.10, strace, root
// takes: 4 s
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, NatsServer, TestProgram, testTool } from '@fnfleet/testing';
import { isSyncedBetween, type SystemCall, systemCalls } from '../testing/system-calls.js';
import { openNatsQueue } from './nats-queue.js';

const PUSHES = 20;
const BLOCK = /\/calls-log\/msgs\/\d+\.blk$/;

let folder: string;
let server: NatsServer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-synced-'));
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** What the server does while calls are pushed, one after the other. */
async function traced(syncInterval: string): Promise<readonly SystemCall[]> {
  server = await NatsServer.start({ syncInterval });
  const queue = await openNatsQueue({ url: server.url('calls'), allowUnsynced: true });
  await eventually(() => queue.stats());
  const trace = join(folder, 'trace');
  const names = 'trace=write,writev,pwrite64,fsync,fdatasync';
  const args = ['-f', '-y', '-s', '5000', '-e', names, '-o', trace, '-p', `${server.pid}`];
  let strace: TestProgram | undefined;
  const attached = () => {
    if (!strace?.log.includes('attached')) throw new Error('strace is not attached');
  };
  strace = await TestProgram.start(await testTool('strace'), args, async () => undefined);
  try {
    await eventually(attached);
    for (let n = 0; n < PUSHES; n += 1) {
      await queue.push({ callId: `c${n}`, fnId: 'f', head: '', body: Buffer.from('x') });
    }
  } finally {
    await strace.end('SIGINT');
    await queue.close();
  }
  return systemCalls(readFileSync(trace, 'latin1'));
}

/** How many entries of the log were acknowledged, and how many of them were not synced before. */
function acknowledgements(calls: readonly SystemCall[]): { readonly all: number; readonly unsynced: number } {
  const acknowledged = calls.filter(
    ({ file, data }) => file.startsWith('socket:') && data.includes('calls-log\\", \\"seq\\":'),
  );
  const unsynced = acknowledged.filter((ack, at) => {
    const earliest = acknowledged[at - 1]?.ended ?? -1;
    const written = calls.find(({ name, file, begun }) => /write/.test(name) && BLOCK.test(file) && begun > earliest);
    if (written === undefined || written.ended > ack.begun)
      throw new Error(`${ack.data} is acknowledged, and not written`);
    return !isSyncedBetween(calls, BLOCK, written, ack);
  });
  return { all: acknowledged.length, unsynced: unsynced.length };
}

it('a server with `sync_interval: always` writes each entry to the log, syncs it, and then acknowledges it', async () => {
  expect(acknowledgements(await traced('always'))).toEqual({ all: PUSHES, unsynced: 0 });
});

it('one that syncs every two minutes acknowledges entries that it has only written', async () => {
  expect(acknowledgements(await traced('2m'))).toEqual({ all: PUSHES, unsynced: PUSHES });
});
