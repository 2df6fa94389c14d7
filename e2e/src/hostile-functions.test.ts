// takes: 12 s
import { until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { invoke } from './harness/invoke.js';

jest.setTimeout(120_000);

const docker = new Docker();
let fleet: Fleet;
let hostile: string;
let hostileId: string;
let other: string;

beforeAll(async () => {
  // A test runs a command in a container, which the engine refuses while it is frozen.
  fleet = await Fleet.start({ settings: { FN_FREEZE_IDLE_MSECS: '-1' } });
  const { id } = await fleet.deploy({ name: 'hostile', timeout: 20 });
  hostileId = id;
  hostile = await fleet.deployed({ name: 'hostile', timeout: 20 });
  other = await fleet.deployed({ name: 'probe' });
});

afterAll(async () => {
  expect(await fleet.stop()).toEqual([]);
  expect(fleet.log).not.toMatch(/uncaught error|unhandled rejection/);
});

/** Both functions are served, and there is one container for each. */
async function allIsWell(): Promise<void> {
  for (const url of [other, hostile]) expect((await invoke(url, { knobs: { body: 'well' } })).status).toBe(200);
  await until({
    what: 'two containers',
    look: async () => ((await fleet.footprint.containers()).length <= 2 ? true : undefined),
  });
}

it.each`
  what                               | knobs                                | status
  ${'kills itself'}                  | ${{ crash: true }}                   | ${502}
  ${'ends by itself'}                | ${{ exitCode: 3 }}                   | ${502}
  ${'takes more memory than it may'} | ${{ hogMb: 400 }}                    | ${502}
  ${'starts processes without end'}  | ${{ fork: 1_000, keepForked: true }} | ${200}
  ${'hangs up'}                      | ${{ hangUp: true }}                  | ${502}
  ${'answers with garbage'}          | ${{ garbage: true }}                 | ${502}
  ${'fills its directory'}           | ${{ write: litter(100) }}            | ${200}
  ${'sends headers without measure'} | ${{ headerBytes: 2 * 1024 * 1024 }}  | ${502}
`('a function that $what: $status, and all others are served', async ({ knobs, status }) => {
  expect((await invoke(hostile, { knobs })).status).toBe(status);
  await allIsWell();
});

it.each`
  what                                 | knobs              | how
  ${'is killed by a fault of its own'} | ${{ crash: true }} | ${/ended by SIG[A-Z]+/}
  ${'ends by itself'}                  | ${{ exitCode: 9 }} | ${/exit code 9/}
  ${'takes more memory than it may'}   | ${{ hogMb: 400 }}  | ${/killed: over 128 MiB/}
`('a function that $what: its caller learns nothing of that, its developer does', async ({ knobs, how }) => {
  // An engine that is busy may tell how a container ended when its call has been answered.
  await until({
    what: `explain says ${how.source}`,
    look: async () => {
      const { body, headers } = await invoke(hostile, { knobs });
      expect(JSON.parse(body.toString())).toEqual({ message: 'error receiving function response' });
      const { output } = await fnfleet(['explain', String(headers['fn-call-id']), '--lb', fleet.lbUrl]);
      const why = new RegExp(`failed: error receiving function response: ${how.source}\\n`);
      return why.test(output) ? true : undefined;
    },
  });
  const told = await until({
    what: `invoke says ${how.source}`,
    look: async () => {
      const invoked = ['invoke', 'e2e', 'hostile', '--data', JSON.stringify(knobs), '--api', fleet.apiUrl];
      const { output } = await fnfleet(invoked);
      const why = new RegExp(`status 502 .*\\n {2}why: +error .*: ${how.source}\\n {2}output: fnfleet logs `);
      return why.test(output) ? { output } : undefined;
    },
  });
  const [, command = ''] = /output: fnfleet (logs .*)/.exec(told.output) ?? [];
  const runners = ['--api', fleet.apiUrl, '--runner', fleet.runnerAddresses.join(',')];
  expect((await fnfleet([...command.split(' '), ...runners])).code).toBe(0);
  expect(fleet.log).toMatch(new RegExp(`function ended .*how=.?${how.source}`));
});

it('an image that is nowhere: the answer says so first, and what to do', async () => {
  const url = await fleet.deployed({ name: 'nowhere', image: '127.0.0.1:9/no/such:1' });
  expect((await invoke(url)).body.toString()).toMatch(
    "Failed to pull image '127.0.0.1:9/no/such:1': it is not on this engine; build it with docker build -t 127.0.0.1:9/no/such:1, or push it to 127.0.0.1:9. ",
  );
});

function litter(files: number): { path: string; bytes: number }[] {
  return Array.from({ length: files }, (_, index) => ({ path: `/tmp/iofs/f${index}`, bytes: 100_000 }));
}

it('a function whose answer ends in the middle breaks off its caller’s, and all others are served', async () => {
  // An error where nothing of the answer has gone out by then, else a connection that breaks: never half of it as if it were all.
  const answer = await invoke(hostile, { knobs: { truncate: 100 } }).catch(() => undefined);
  expect([undefined, 502]).toContain(answer?.status);
  await allIsWell();
});

it('a function that prints a hundred megabytes in one line is served meanwhile, and so are others', async () => {
  const code = `
    const fs = require('node:fs');
    const out = fs.openSync('/proc/1/fd/1', 'w');
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 100; i += 1) for (let at = 0; at < piece.length; ) at += fs.writeSync(out, piece, at);`;
  await allIsWell();
  const [container] = await docker.listContainers({ filters: { label: [`fn-fn-id=${hostileId}`] } });
  const id = container?.Id ?? '';
  const exec = await docker
    .getContainer(id)
    .exec({ Cmd: ['node', '-e', code], AttachStdout: true, AttachStderr: true });
  const printing = await exec.start({});
  let over = false;
  const said: Buffer[] = [];
  printing
    .on('data', (chunk: Buffer) => said.push(chunk))
    .once('end', () => {
      over = true;
    });
  let calls = 0;
  while (!over) {
    await allIsWell();
    calls += 1;
  }
  expect(Buffer.concat(said).toString()).toBe('');
  expect((await exec.inspect()).ExitCode).toBe(0);
  expect(calls).toBeGreaterThan(0);
  await allIsWell();
});
