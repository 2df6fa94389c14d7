// needs: strace
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSyncedBetween, type SystemCall, systemCalls } from '../testing/system-calls.js';

const PROGRAM = join(__dirname, '../test-kit/synced-pushes.js');
const CLIENTS = 8;
const EACH = 10;
const CALLS = Array.from({ length: CLIENTS * EACH }, (_, n) => `call-${n % CLIENTS}-${Math.floor(n / CLIENTS)}-`);

let folder: string;
let calls: readonly SystemCall[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-synced-'));
  const [trace, ids] = [join(folder, 'trace'), join(folder, 'ids')];
  const traced = ['-f', '-y', '-s', '5000', '-e', 'trace=pwrite64,write,fsync,fdatasync', '-o', trace];
  const program = [process.execPath, '--no-warnings', PROGRAM, join(folder, 'mq.db'), ids, `${CLIENTS}`, `${EACH}`];
  execFileSync('strace', [...traced, ...program]);
  calls = systemCalls(readFileSync(trace, 'latin1'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('each call is written to the log, then the log is synced, then the call is acknowledged', () => {
  const unsynced = CALLS.filter((callId) => {
    const written = calls.find(
      ({ name, file, data }) => name === 'pwrite64' && file.endsWith('-wal') && data.includes(callId),
    );
    const acknowledged = calls.find(({ file, data }) => file.endsWith('/ids') && data.includes(callId));
    if (written === undefined || acknowledged === undefined) throw new Error(`${callId} is not in the trace`);
    return !isSyncedBetween(calls, /-wal$/, written, acknowledged);
  });
  expect(unsynced).toEqual([]);
});
