// takes: 44 s
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { freePorts } from '@fnfleet/testing';
import { FnfleetCommand } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, invoke } from './harness/invoke.js';
import { type FailedCall, Load } from './harness/load.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const CONTAINERS = 4;
/** 70 % of three runners with room for four. */
const CLIENTS = 8;
const SLEEP_MS = 100;

describe.each([
  ['on unix sockets', true],
  ['on TCP ports', false],
])('three runners under load, %s', (_, sockets) => {
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    fleet = await Fleet.start({
      runners: 3,
      sockets,
      settings: {
        FN_MAX_TOTAL_MEMORY_BYTES: `${CONTAINERS * 128 * MIB}`,
        FN_ENABLE_NB_RESOURCE_TRACKER: '1',
        // Each call leaves a mark beside its function's socket: more than a tmpfs there takes.
        FN_IOFS_TMPFS: '0',
        // A newcomer's containers start slowly on a busy machine; that is not what is looked at.
        FN_SLOW_START_MSECS: '1000',
      },
    });
    url = await fleet.deployed({ name: 'sleeper', memory: 128 });
    await Promise.all(Array.from({ length: CLIENTS }, () => invoke(url, { knobs: { sleepMs: SLEEP_MS } })));
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  function call(id: string): Promise<Answer> {
    return invoke(url, { body: '{}', knobs: { sleepMs: SLEEP_MS, mark: id } });
  }

  /** Whether the runner had said that it hands the call to a function: that word comes before the function's first byte. */
  async function wasStarted({ callId }: FailedCall): Promise<boolean> {
    const { body } = await invoke(`${fleet.lbUrl}/explain/${callId}`, { method: 'GET' });
    return JSON.parse(body.toString()).events.some(({ text }: { text: string }) => text === 'started');
  }

  /** Calls that a function has begun to run, whatever became of them. */
  function begun(): ReadonlySet<string> {
    const iofs = path.join(fleet.footprint.dataDir, 'iofs');
    const files = readdirSync(iofs, { recursive: true, encoding: 'utf8' }).map((file) => path.basename(file));
    return new Set(files.filter((file) => file.startsWith('mark-')).map((file) => file.slice('mark-'.length)));
  }

  it('a runner that is killed costs no call that had not started', async () => {
    const load = new Load(CLIENTS, call);
    await load.untilAnswered(100);
    await fleet.kill('runner1');
    await load.untilAnswered(200);
    const { answered, failed } = await load.end();
    const seen = begun();
    const unseen = failed.filter(({ id }) => !seen.has(id));
    const said = await Promise.all(unseen.map(wasStarted));
    const innocent = unseen.filter((_, at) => !said[at]);
    await fleet.revive('runner1');

    print(
      `runner killed: ${answered} calls answered, ${failed.length} failed that had started, ${innocent.length} that had not`,
    );
    expect(innocent).toEqual([]);
    // No more than it had in hand.
    expect(failed.length).toBeLessThanOrEqual(CONTAINERS);
  });

  it('rolling all runners one after another costs no call', async () => {
    const load = new Load(CLIENTS, call);
    for (const name of ['runner1', 'runner2', 'runner3']) {
      await load.untilAnswered(50);
      await fleet.restart(name);
    }
    await load.untilAnswered(100);
    const { answered, failed } = await load.end();

    print(`three runners rolled: ${answered} calls answered, ${failed.length} failed`);
    expect(failed).toEqual([]);
  });

  it('two balancers that do not know of each other share the runners, which own what they admit', async () => {
    const port = `${await freePorts(1)}`;
    const second = new FnfleetCommand(['node'], {
      env: {
        ...fleet.footprint.env,
        FN_NODE_TYPE: 'lb',
        FN_PORT: port,
        FN_BIND_ADDRESS: '127.0.0.1',
        FN_RUNNER_API_URL: fleet.apiUrl,
        FN_RUNNER_ADDRESSES: fleet.runnerAddresses.join(','),
      },
    });
    try {
      await second.ready();
      const urls = [url, url.replace(new URL(url).origin, `http://127.0.0.1:${port}`)];
      let turn = 0;
      // More clients than there is room for.
      const load = new Load(2 * CLIENTS, () => {
        turn += 1;
        return invoke(urls[turn % 2] ?? url, { knobs: { sleepMs: SLEEP_MS } });
      });
      await load.untilAnswered(300);
      const containers = (await fleet.footprint.containers()).length;
      const { answered, failed } = await load.end();
      print(`two balancers: ${answered} calls answered, ${failed.length} failed, ${containers} containers`);
      expect(failed).toEqual([]);
      expect(containers).toBeLessThanOrEqual(3 * CONTAINERS);
    } finally {
      await second.stop();
    }
  });
});

/** For whoever reads the log of the tests. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
