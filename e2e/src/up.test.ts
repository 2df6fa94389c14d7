// takes: 9 s
import { freePorts, until } from '@fnfleet/testing';
import { FnfleetCommand, fnfleet } from './harness/command.js';
import { PATIENCE } from './harness/fleet.js';
import { Footprint } from './harness/footprint.js';
import { invoke } from './harness/invoke.js';
import { HELLO_IMAGE, PROBE_IMAGE } from './harness/paths.js';

jest.setTimeout(120_000);

describe('fnfleet up', () => {
  let footprint: Footprint;
  let up: FnfleetCommand | undefined;

  beforeEach(() => {
    footprint = new Footprint();
  });

  afterEach(async () => {
    await up?.stop();
    up = undefined;
    const left = await footprint.leftovers();
    footprint.remove();
    expect(left).toEqual([]);
  });

  async function start(...args: string[]): Promise<FnfleetCommand> {
    const ports = ['--port', `${await freePorts(4)}`];
    up = new FnfleetCommand(['up', ...ports, ...args], { env: { ...footprint.env, ...PATIENCE } });
    return up;
  }

  it('shows the answer of the example, serves until Ctrl-C, drains and leaves nothing', async () => {
    const command = await start('--example', 'examples/hello-node', '--image', HELLO_IMAGE);

    await command.prints(/hello-node answered: {2}.*fleet/);
    const [, lbUrl] = await command.prints(/The fleet is up\..*balancer (http:\S+)/);
    expect(command.output).toMatch(
      /fnfleet logs hello-node --app example --api \S+ --runner unix:\S+\/runner1,unix:\S+\/runner2\n/,
    );
    expect(command.output).toMatch(/processes {3}api \d+, runner1 \d+, runner2 \d+, lb \d+/);
    expect((await invoke(`${lbUrl}/version`, { method: 'GET' })).status).toBe(200);

    const [, url = ''] = await command.prints(/curl -d .* -i (http:\S+)/);
    const { headers } = await invoke(url, { body: '{}', headers: { 'fn-explain': '1' } });
    expect(headers['fn-explain']).toMatch(/^runner=\S+; attempts=\d+; executed=[\d.]+ms; .*asked=.* started/);
    const told = await fnfleet(['explain', String(headers['fn-call-id']), '--lb', String(lbUrl)]);
    expect(told.output).toMatch(/ms {2}runner \S+: started after [\d.]+ ms\n[\s\S]*executed [\d.]+ ms\n.* answered\n/);
    const unknown = await fnfleet(['explain', 'unknown', '--lb', String(lbUrl)]);
    expect(unknown).toMatchObject({ code: 1, output: expect.stringContaining('no balancer knows call unknown') });

    // Otherwise finding nothing at the end would prove nothing.
    expect(await footprint.containers()).not.toEqual([]);
    expect(footprint.processes().length).toBeGreaterThanOrEqual(5);
    expect(footprint.files()).not.toEqual([]);

    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
    expect(command.output).toContain('stopped and cleaned up');
  });

  it('http-api 17: finishes the call in flight when SIGTERM arrives', async () => {
    const port = await freePorts(1);
    const example = ['--example', 'e2e/functions/probe', '--image', PROBE_IMAGE];
    const command = await start('--runners', '1', '--grpc-port', `${port}`, ...example);
    await command.prints(new RegExp(`--runner 127\\.0\\.0\\.1:${port}\\n`));
    const [, url = ''] = await command.prints(/curl -d .* -i (http:\S+)/);
    await command.prints(/The fleet is up/);

    const answer = invoke(url, { knobs: { sleepMs: 3_000, body: 'was not lost' } });
    const lb = new URL(url).origin;
    await until({ what: 'the call runs', look: async () => ((await running(lb)) === 1 ? true : undefined) });
    command.signal('SIGTERM');
    await command.prints(/draining the fleet/);

    expect((await answer).body.toString()).toBe('was not lost');
    expect(await command.ended).toEqual({ code: 0, signal: null });
  });

  it('says why the example cannot be deployed, takes the fleet down and leaves nothing', async () => {
    const command = await start('--runners', '1', '--example', 'examples/there-is-none');
    expect((await command.ended).code).toBe(1);
    expect(command.output).toContain('cannot read examples/there-is-none/func.yaml');
  });

  async function running(lb: string): Promise<number> {
    const { body } = await invoke(`${lb}/metrics`, { method: 'GET' });
    return Number(body.toString().match(/^fn_running(?:\{.*\})? (\d+)/m)?.[1] ?? 0);
  }
});

describe('fnfleet', () => {
  it('explains each command', async () => {
    const commands = ['', ' node', ' up', ' deploy', ' invoke', ' explain', ' logs'].map((name) => `fnfleet${name}`);
    const helps = await Promise.all(commands.map((command) => fnfleet([...command.split(' ').slice(1), '--help'])));
    expect(helps.map(({ code }) => code)).toEqual(commands.map(() => 0));
    helps.forEach(({ output }, index) => {
      expect(output).toContain(`Usage: ${commands[index]} `);
    });
  });

  it('lists every setting in the help of a node', async () => {
    const { output } = await fnfleet(['node', '--help']);
    for (const name of [
      'FN_NODE_TYPE',
      'FN_PORT',
      'FN_DB_URL',
      'FN_PLACER',
      'FN_GRPC_PORT',
      'FN_DRIVER',
      'DOCKER_HOST',
    ]) {
      expect(output).toContain(name);
    }
  });
});
