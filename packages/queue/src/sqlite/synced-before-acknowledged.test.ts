// needs: strace
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  calls = parsed(readFileSync(trace, 'latin1').split('\n'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface SystemCall {
  readonly name: string;
  readonly file: string;
  readonly data: string;
  /** Lines of the trace. */
  readonly begun: number;
  readonly ended: number;
}

/** The calls that succeeded. Those of several threads overlap: such a call has two lines. */
function parsed(lines: readonly string[]): SystemCall[] {
  const found: SystemCall[] = [];
  const open = new Map<string, { text: string; begun: number }>();
  for (const [at, line] of lines.entries()) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const started = resumed === null ? undefined : open.get(thread);
    const text = (started?.text ?? '') + (resumed?.[1] ?? rest);
    const begun = started?.begun ?? at;
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, { text: rest.slice(0, -'<unfinished ...>'.length), begun });
      continue;
    }
    const [, name = '', file = '', data = '', result = '-1'] =
      /^(\w+)\(\d+<([^>]*)>(.*)\)\s+= (-?\d+)/.exec(text) ?? [];
    if (Number(result) >= 0) found.push({ name, file, data, begun, ended: at });
  }
  return found;
}

it('each call is written to the log, then the log is synced, then the call is acknowledged', () => {
  const unsynced = CALLS.filter((callId) => {
    const written = calls.find(
      ({ name, file, data }) => name === 'pwrite64' && file.endsWith('-wal') && data.includes(callId),
    );
    const acknowledged = calls.find(({ file, data }) => file.endsWith('/ids') && data.includes(callId));
    if (written === undefined || acknowledged === undefined) throw new Error(`${callId} is not in the trace`);
    const isBetween = ({ begun, ended }: SystemCall) => begun > written.ended && ended < acknowledged.begun;
    return !calls.some((call) => /^f(data)?sync$/.test(call.name) && call.file.endsWith('-wal') && isBetween(call));
  });
  expect(unsynced).toEqual([]);
});
