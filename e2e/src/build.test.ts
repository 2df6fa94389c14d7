// needs: docker-registry
// takes: 23 s
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { MIB } from '@fnfleet/core';
import { freePorts, ImageRegistry, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { type CommandEnd, FnfleetCommand } from './harness/command.js';
import { PATIENCE } from './harness/fleet.js';
import { Footprint } from './harness/footprint.js';
import { invoke } from './harness/invoke.js';
import { ROOT } from './harness/paths.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(180_000);

const BASE = 'fnfleet/node-base:24';
const docker = new Docker();

let footprint: Footprint;
let commands: FnfleetCommand[];
/** Of the function, its folder and its images: nobody else has it. */
let name: string;

beforeEach(() => {
  footprint = new Footprint();
  commands = [];
  name = `e2e-${randomBytes(4).toString('hex')}`;
});

afterEach(async () => {
  for (const command of commands.reverse()) await command.stop();
  const left = await footprint.leftovers();
  await removeImages();
  footprint.remove();
  expect(left).toEqual([]);
});

function begin(args: readonly string[], env: Readonly<Record<string, string>> = {}): FnfleetCommand {
  const within = ['env', '-C', footprint.folder];
  const command = new FnfleetCommand(args, { within, env: { ...footprint.env, ...env } });
  commands.push(command);
  return command;
}

/** Runs a command in the folder above that of the function. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandEnd & { output: string }> {
  const command = begin(args, env);
  const end = await command.ended;
  return { ...end, output: command.output };
}

const file = (...parts: string[]) => path.join(footprint.folder, name, ...parts);

function edit(which: string, from: string, to: string): void {
  const text = readFileSync(file(which), 'utf8');
  if (!text.includes(from)) throw new Error(`${which} has no ${from}`);
  writeFileSync(file(which), text.replaceAll(from, to));
}

/** The function of `fnfleet init`, with its library in the folder: there is no network to install it from. */
async function init(): Promise<void> {
  expect(await run(['init', name])).toMatchObject({ code: 0 });
  cpSync(path.join(ROOT, 'examples/hello-node/node_modules'), file('node_modules'), { recursive: true });
  rmSync(file('.dockerignore'));
  rmSync(file('Dockerfile'));
  edit('func.yaml', 'runtime: docker', `runtime: node24\nrun_image: ${BASE}`);
}

/** Those that have lost their name to another build as well. */
async function removeImages(): Promise<void> {
  const ours = (tag: string) => tag.includes(`/${name}`) || tag.startsWith(`${name}:`);
  const named = (await docker.listImages()).filter(({ RepoTags, RepoDigests }) =>
    [...(RepoTags ?? []), ...(RepoDigests ?? [])].some(ours),
  );
  const built = commands.flatMap(({ output }) =>
    [...output.matchAll(/^Successfully built (\w+)$/gm)].map(([, id]) => id),
  );
  for (const id of new Set([...named.map(({ Id }) => Id), ...built])) {
    const gone = (error: { statusCode?: number }) => {
      if (error.statusCode !== 404) throw error;
    };
    await docker
      .getImage(id ?? '')
      .remove({ force: true })
      .catch(gone);
  }
}

async function fleet(settings: Readonly<Record<string, string>> = {}): Promise<{ FN_API_URL: string }> {
  const port = await freePorts(6);
  const up = begin(['up', '--runners', '1', '--quiet', '--port', `${port}`, '--grpc-port', `${port + 4}`], {
    ...PATIENCE,
    ...settings,
  });
  await up.prints(/The fleet is up/);
  return { FN_API_URL: `http://127.0.0.1:${port}` };
}

interface StoredFn {
  readonly image: string;
}

async function imageOf({ FN_API_URL }: { FN_API_URL: string }): Promise<string> {
  const ask = async <T>(url: string) => ((await (await fetch(FN_API_URL + url)).json()) as { items: T[] }).items;
  const [app] = await ask<{ id: string }>('/v2/apps?name=shop');
  const [fn] = await ask<StoredFn>(`/v2/fns?app_id=${app?.id}&name=${name}`);
  return fn?.image ?? 'none';
}

it('init, deploy, invoke, edit, deploy: the new answer, under the same tag, and never the old one again', async () => {
  await init();
  const env = await fleet();
  const first = await run(['deploy', name, '--app', 'shop'], env);
  expect(first.output).toContain(`deployed ${name} (${name}:0.0.1) in app shop`);
  expect(first.code).toBe(0);
  const [, url = ''] = /trigger \S+ at (http:\S+)/.exec(first.output) ?? [];
  const answer = async () => (await invoke(url, { body: '{"name":"Ada"}' })).body.toString();
  expect(await answer()).toBe('{"message":"Hello, Ada!"}');
  const old = await imageOf(env);
  expect(old).toMatch(/^sha256:[0-9a-f]{64}$/);

  expect((await run(['deploy', name, '--app', 'shop'], env)).code).toBe(0);
  expect(await imageOf(env)).toBe(old);

  edit('func.js', "'Hello'", "'Good day'");
  expect((await run(['deploy', name, '--app', 'shop'], env)).code).toBe(0);
  await until({
    what: 'the new answer',
    withinMs: 15_000,
    look: async () => ((await answer()).includes('Good day') ? true : undefined),
  });
  const later = await Promise.all(Array.from({ length: 10 }, answer));
  expect(new Set(later)).toEqual(new Set(['{"message":"Good day, Ada!"}']));
  // The function runs its image also after another build has taken the name.
  edit('func.js', "'Good day'", "'Not yet'");
  expect((await run(['build', name])).code).toBe(0);
  expect(await answer()).toBe('{"message":"Good day, Ada!"}');

  edit('func.js', 'fdk.handle(', 'fdk.handle((');
  writeFileSync(file('Dockerfile'), `FROM ${BASE}\nCOPY . .\nRUN ["node", "--check", "func.js"]\n`);
  const before = await imageOf(env);
  const failed = await run(['deploy', name, '--app', 'shop'], env);
  expect(failed.code).toBe(1);
  expect(failed.output).toMatch(/SyntaxError[\s\S]*\nfnfleet: cannot build \S+: .*returned a non-zero code: 1/);
  expect(await imageOf(env)).toBe(before);
});

it('with a registry the image is pushed, and runs by its digest where it is not yet', async () => {
  await init();
  const registry = await ImageRegistry.start();
  try {
    const env = { ...(await fleet()), FN_REGISTRY: `${registry.host}/team` };
    const deployed = await run(['deploy', name, '--app', 'shop'], env);
    expect(deployed).toMatchObject({
      code: 0,
      output: expect.stringContaining(`pushing ${registry.host}/team/${name}:0.0.1`),
    });
    expect(await imageOf(env)).toMatch(new RegExp(`^${registry.host}/team/${name}@sha256:[0-9a-f]{64}$`));
    await removeImages();
    const [, url = ''] = /invoke it at (http:\S+)/.exec(deployed.output) ?? [];
    expect((await invoke(url, { body: '{}' })).body.toString()).toBe('{"message":"Hello, world!"}');
  } finally {
    await registry.close();
  }
});

it('fnfleet dev: a saved file is the new answer, a mistake is told and mended, and Ctrl-C leaves nothing', async () => {
  await init();
  const env = await fleet();
  const runner = `127.0.0.1:${Number(new URL(env.FN_API_URL).port) + 4}`;
  const dev = begin(['dev', name, '--call', '{"name":"Ada"}', '--runner', runner], env);
  await dev.prints(/answer 200: \{"message":"Hello, Ada!"\}\n/);
  await dev.prints(/ out greeting Ada\n/);

  edit('func.js', "'Hello'", "'Good day'");
  await dev.prints(/answer 200: \{"message":"Good day, Ada!"\}\n/);

  const config = readFileSync(file('func.yaml'), 'utf8');
  writeFileSync(file('func.yaml'), `${config}timeout: soon\n`);
  await dev.prints(/func\.yaml:\d+: timeout: [^\n]*\n• not deployed; waiting for changes\n/);
  writeFileSync(file('func.yaml'), `${config}config:\n  GREETING: Salut\n`);
  await dev.prints(/answer 200: \{"message":"Salut, Ada!"\}\n/);

  dev.signal('SIGINT');
  expect(await dev.ended).toEqual({ code: 0, signal: null });
});

it('fnfleet dev without Docker: processes of the folder itself, new ones for each change', async () => {
  await init();
  writeFileSync(file('process.json'), '{ "command": ["node", "func.js"] }');
  const settings = { FN_DRIVER: 'process', FN_PROCESS_FUNCTIONS: footprint.folder, DOCKER_HOST: 'unix:///nowhere' };
  const env = { ...(await fleet(settings)), DOCKER_HOST: 'unix:///nowhere' };
  const dev = begin(['dev', name, '--no-build', '--call', '{"name":"Ada"}'], env);
  await dev.prints(/answer 200: \{"message":"Hello, Ada!"\}\n/);
  edit('func.js', "'Hello'", "'Good day'");
  await dev.prints(/answer 200: \{"message":"Good day, Ada!"\}\n/);
  dev.signal('SIGINT');
  expect(await dev.ended).toEqual({ code: 0, signal: null });
});

it('fnfleet dev with a function that prints megabytes, and control characters, shows a bounded part of it and goes on', async () => {
  await init();
  const env = await fleet();
  const FN_LB_URL = `http://127.0.0.1:${Number(new URL(env.FN_API_URL).port) + 1}`;
  const dev = begin(['dev', name, '--call', '{"name":"Ada"}'], { ...env, FN_LB_URL });
  await dev.prints(/answer 200: \{"message":"Hello, Ada!"\}\n/);
  const before = dev.output.length;
  const flood =
    "process.stdout.write(('\\x1b[2J' + 'x'.repeat(1000) + '\\n').repeat(20_000) + '\\x1b]0;the last\\x07\\n');";
  edit('func.js', 'const name =', `${flood} const name =`);
  await dev.prints(/answer 200: [\s\S]*answer 200: /);
  await dev.prints(/ out \\u001b\[2Jxxx/);
  edit('func.js', flood, '');
  edit('func.js', "'Hello'", "'Good day'");
  await dev.prints(/answer 200: \{"message":"Good day, Ada!"\}\n/);
  expect(dev.output).not.toContain('\x1b');
  expect(dev.output.length - before).toBeLessThan(40 * MIB);
  dev.signal('SIGINT');
  expect(await dev.ended).toEqual({ code: 0, signal: null });
});

describe('Ctrl-C ends fnfleet dev, with exit code 0 and nothing left of it,', () => {
  const steps = async () =>
    (await docker.listContainers({ all: true })).filter(({ Command }) => Command.includes(name));

  it('while an API node does not answer', async () => {
    await init();
    const asked = Promise.withResolvers<void>();
    const silent = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const FN_API_URL = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const dev = begin(['dev', name, '--no-build'], { FN_API_URL });
      await asked.promise;
      dev.signal('SIGINT');
      expect(await dev.ended).toEqual({ code: 0, signal: null });
    } finally {
      silent.closeAllConnections();
      await new Promise((resolve) => silent.close(resolve));
    }
    // Less than the time that a command gives an API node.
  }, 25_000);

  it('while a step of the build runs, and while a large folder goes to the engine', async () => {
    await init();
    const env = await fleet();
    writeFileSync(file('large'), Buffer.alloc(300 * MIB));
    const program = "console.log('under way'); setTimeout(() => {}, 600_000)";
    const dockerfile = (what: string) =>
      writeFileSync(file('Dockerfile'), `FROM ${BASE}\nRUN ${JSON.stringify(['node', '-e', program, what])}\n`);
    dockerfile('of another folder');
    const sending = begin(['dev', name], env);
    await sending.prints(/building .*: \d+ files, 3\d\d\.\d MiB/);
    sending.signal('SIGINT');
    expect(await sending.ended).toEqual({ code: 0, signal: null });

    rmSync(file('large'));
    dockerfile(name);
    const building = begin(['dev', name], env);
    await building.prints(/\nunder way\n/);
    // Files that come and go meanwhile are one more build, not many.
    for (let times = 0; times < 200; times += 1) writeFileSync(file(`new${times}`), '');
    await building.prints(/\nunder way\n[\s\S]*\nunder way\n/);
    await until({
      what: 'the end of the first step',
      look: async () => (await steps()).filter(({ State }) => State === 'running').length === 1 || undefined,
    });
    building.signal('SIGINT');
    expect(await building.ended).toEqual({ code: 0, signal: null });
    expect(building.output.match(/\nbuilding /g)?.length ?? 0).toBeLessThan(5);
    await until({ what: 'its step is gone', look: async () => ((await steps()).length === 0 ? true : undefined) });
  });

  it('while a registry takes no layer, and while a function does not answer', async () => {
    await init();
    const registry = await ImageRegistry.start();
    try {
      const env = await fleet();
      registry.front.answer = (call) => (call.startsWith('POST ') ? 'never' : undefined);
      const pushing = begin(['dev', name, '--registry', `${registry.host}/team`], env);
      await pushing.prints(/\npushing /);
      await until({
        what: 'a push',
        look: () => registry.front.requests.some((call) => call.startsWith('POST ')) || undefined,
      });
      pushing.signal('SIGINT');
      expect(await pushing.ended).toEqual({ code: 0, signal: null });

      edit('func.js', 'fdk.handle(', 'setInterval(() => {}, 1000); fdk.handle(() => new Promise(() => {})); (');
      const calling = begin(['dev', name, '--call', '{}'], env);
      await calling.prints(/• deployed after/);
      const metrics = async () =>
        (await fetch(`${env.FN_API_URL.replace(/\d+$/, (port) => `${Number(port) + 1}`)}/metrics`)).text();
      await until({
        what: 'the call',
        look: async () => (/^fn_calls[^\n]* 1$/m.test(await metrics()) ? true : undefined),
      });
      calling.signal('SIGINT');
      expect(await calling.ended).toEqual({ code: 0, signal: null });
    } finally {
      await registry.close();
    }
  });
});

it('Ctrl-C ends the build at the engine too', async () => {
  await init();
  const program = "console.log('under way'); setTimeout(() => {}, 600_000)";
  writeFileSync(file('Dockerfile'), `FROM ${BASE}\nRUN ${JSON.stringify(['node', '-e', program, name])}\n`);
  const steps = async () =>
    (await docker.listContainers({ all: true })).filter(({ Command }) => Command.includes(name));
  const build = begin(['build', name]);
  await build.prints(/\nunder way\n/);
  expect(await steps()).toHaveLength(1);
  build.signal('SIGINT');
  expect(await build.ended).not.toMatchObject({ code: 0 });
  await until({ what: 'its step is gone', look: async () => ((await steps()).length === 0 ? true : undefined) });
});
