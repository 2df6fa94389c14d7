// takes: 5 s
import { until } from '@fnfleet/testing';
import { FnfleetCommand, fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, invoke } from './harness/invoke.js';

jest.setTimeout(180_000);

interface Line {
  readonly runner: string;
  readonly call_id: string;
  readonly source: string;
  readonly line: string;
}

const MAX_LOG_BYTES = 100_000;

describe('the output of functions', () => {
  let fleet: Fleet;
  const commands: FnfleetCommand[] = [];

  beforeAll(async () => {
    fleet = await Fleet.start({
      runners: 2,
      settings: {
        FN_MAX_LOG_SIZE_BYTES: `${MAX_LOG_BYTES}`,
        // A frozen function goes on printing only with its next call.
        FN_FREEZE_IDLE_MSECS: '-1',
        // Room for one container of 128 MiB on each runner: two calls at a time need both.
        FN_MAX_TOTAL_MEMORY_BYTES: `${200 * 1024 * 1024}`,
      },
    });
  });

  afterEach(async () => {
    await Promise.all(commands.splice(0).map((command) => command.stop()));
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
    expect(fleet.log).not.toMatch(/uncaught error|unhandled rejection/);
  });

  function environment(): Record<string, string> {
    return { FN_API_URL: fleet.apiUrl, FN_RUNNER_ADDRESSES: fleet.runnerAddresses.join(',') };
  }

  function following(...args: string[]): FnfleetCommand {
    const command = new FnfleetCommand(['logs', ...args], { env: environment() });
    commands.push(command);
    return command;
  }

  it('is followed on all runners, with the calls it belongs to', async () => {
    const { id } = await fleet.deploy({ name: 'talks' });
    const url = await fleet.deployed({ name: 'talks' });
    const command = following('talks', '--app', 'e2e', '--json');
    const lines = () => jsonLines(command.output);
    const calls: Answer[] = [];
    for (let round = 1; new Set(lines().map(({ runner }) => runner)).size < 2; round += 1) {
      const knobs = (name: string) => ({ stdout: [`${name} ${round}`], stderr: [`warning ${round}`], sleepMs: 200 });
      calls.push(...(await Promise.all(['left', 'right'].map((name) => invoke(url, { knobs: knobs(name) })))));
      await until({
        what: 'all is shown',
        look: () => (lines().length >= 2 * calls.length ? true : undefined),
      });
    }

    const expected = calls.flatMap(({ headers }, index) => {
      const round = Math.floor(index / 2) + 1;
      const call = String(headers['fn-call-id']);
      return [`${call} stdout ${index % 2 ? 'right' : 'left'} ${round}`, `${call} stderr warning ${round}`];
    });
    const shown = lines().map(({ call_id, source, line }) => `${call_id} ${source} ${line}`);
    expect(shown.toSorted()).toEqual(expected.toSorted());
    expect(new Set(lines().map(({ runner }) => runner))).toEqual(new Set(fleet.runnerAddresses));

    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });

    const past = await fnfleet(['logs', id, '--no-follow', '--tail', '1'], environment());
    expect(past.code).toBe(0);
    expect(past.output.match(/ (out|err) /g)).toHaveLength(2);
  });

  it('is told up to the last words of a function that crashes', async () => {
    const url = await fleet.deployed({ name: 'crashes' });
    const command = following('crashes', '--app', 'e2e');
    const { headers } = await invoke(url, { knobs: { stderr: ['out of cheese'], exitCode: 1 } });
    await command.prints(new RegExp(`${String(headers['fn-call-id']).slice(-8)} err out of cheese\\n`));
  });

  it('may be more than is taken: the call is answered as always, and a line says what happened', async () => {
    const url = await fleet.deployed({ name: 'chatty' });
    const command = following('chatty', '--app', 'e2e', '--json', '--tail', '1000');
    const stdout = Array.from({ length: 4_000 }, (_, index) => `${index} ${'x'.repeat(1_000)}`);
    const answer = await invoke(url, { knobs: { stdout, body: 'answered' } });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'answered']);

    await command.prints(/-----max log size 100000 bytes exceeded, truncating log-----.*\n/);
    const lines = jsonLines(command.output);
    const whole = Math.floor(MAX_LOG_BYTES / 1_005);
    expect(lines.slice(0, whole).map(({ line }) => line.split(' ')[0])).toEqual(
      Array.from({ length: whole }, (_, index) => `${index}`),
    );
    const total = lines.slice(0, -1).reduce((sum, { line }) => sum + line.length + 1, 0);
    expect(total - 1).toBe(MAX_LOG_BYTES);
    expect(lines.filter(({ line }) => line.includes('truncating log'))).toHaveLength(1);
    const truncated = async () => (await fleet.runnerMetric('fn_log_truncated_bytes')) > 3_900_000 || undefined;
    await until({ what: 'what was dropped is counted', look: truncated });
  });

  it('cannot be shown of what does not exist', async () => {
    const failures = {
      'logs nothing --app e2e': 'app e2e has no function nothing',
      'logs talks --app nothing': 'there is no app nothing',
      'logs talks': 'there is no function with the id talks; to find it by name, name its app as well',
      'logs talks --app e2e --runner nowhere': 'expected host:port or unix:/path, got "nowhere"',
      'logs talks --app e2e --runner 127.0.0.1:1 --no-follow': 'runner 127.0.0.1:1 cannot be reached',
    };
    const found = await Promise.all(Object.keys(failures).map((args) => fnfleet(args.split(' '), environment())));
    expect(found.map(({ code }) => code)).toEqual(found.map(() => 1));
    Object.values(failures).forEach((message, index) => {
      expect(found[index]?.output).toContain(message);
    });
  });
});

function jsonLines(output: string): Line[] {
  const whole = output.split('\n').slice(0, -1);
  return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
}
