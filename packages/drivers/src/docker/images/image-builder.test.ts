// needs: docker, docker-registry
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { type Environment, readSettings, silentLogger } from '@fnfleet/core';
import { ImageRegistry, REGISTRY_OPERATOR as OPERATOR } from '@fnfleet/testing';
import Docker from 'dockerode';
import { type EngineAnswer, ScriptedEngine } from '../../testing/scripted-engine.js';
import { script } from '../../testing/test-functions.js';
import { dockerSettings } from '../docker-settings.js';
import { TinyImages } from '../test-kit/tiny-images.js';
import { ImageBuilder } from './image-builder.js';

// Builds run programs, on a machine that is busy with other tests.
jest.setTimeout(120_000);

const never = new AbortController().signal;
const BASE = 'fnfleet/node-base:24';
const images = new TinyImages();
let lines: string[];
let builder: ImageBuilder;

function aBuilder(env: Environment = {}): ImageBuilder {
  builder = new ImageBuilder({
    settings: readSettings(dockerSettings, env),
    logger: silentLogger,
    progress: (line) => lines.push(line),
  });
  return builder;
}

async function context(files: Readonly<Record<string, string>>): Promise<Readable> {
  type Tar = (entries: readonly { path: string; content: Buffer }[]) => AsyncGenerator<Buffer>;
  const { tar } = await script<{ tar: Tar }>('scripts/images/tar.mjs');
  return Readable.from(tar(Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) }))));
}

const rest = { dockerfile: 'Dockerfile', buildArgs: {}, buildkit: false, noCache: false } as const;

beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  builder.close();
  await images.removeAll();
});

describe('an image that is built', () => {
  const aName = () => images.willRemove(`fnfleet-test/${randomUUID()}:1`);

  it('exists under its name, and has an id that changes only with its content', async () => {
    const image = aName();
    const build = async (text: string) =>
      aBuilder().build(
        { ...rest, image, context: await context({ Dockerfile: 'FROM scratch\nCOPY . /\n', text }) },
        never,
      );
    const [first, again, other] = [await build('one'), await build('one'), await build('two')];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect((await new Docker().getImage(image).inspect()).Id).toBe(other);
    await new Docker().getImage(first).remove();
  });

  it('shows its steps and their output, line by line and without control characters', async () => {
    const program =
      "process.stdout.write('one\\rtwo\\n\\x1b[31mred\\x1b[0m \\x1b]0;owned\\x07!\\nlast'); console.error(process.env.GREETING)";
    const Dockerfile = `FROM ${BASE}\nARG GREETING\nRUN ${JSON.stringify(['node', '-e', program])}\n`;
    const buildArgs = { GREETING: 'Grüße' };
    await aBuilder().build({ ...rest, image: aName(), buildArgs, context: await context({ Dockerfile }) }, never);
    expect(lines).toEqual(expect.arrayContaining(['one', 'two', 'red !', `Step 1/3 : FROM ${BASE}`]));
    expect(lines.join('\n')).toContain('Grüße');
  });

  it('can be built with BuildKit: steps, output, and the reason of a failure', async () => {
    const build = async (code: string, name = aName()) => {
      const step = `RUN --mount=type=cache,target=/cache ${JSON.stringify(['node', '-e', code])}`;
      const Dockerfile = `FROM ${BASE}\n${step}\n`;
      return aBuilder().build({ ...rest, buildkit: true, image: name, context: await context({ Dockerfile }) }, never);
    };
    const marker = randomUUID();
    const image = aName();
    const id = await build(`console.log('\x1b[31mred\x1b[0m ${marker}')`, image);
    expect((await new Docker().getImage(image).inspect()).Id).toBe(id);
    expect(lines).toContain(`red ${marker}`);
    expect(lines.filter((line) => /^\[.*2\/2\] RUN --mount/.test(line))).toHaveLength(1);
    lines = [];
    expect(await build(`console.log('\x1b[31mred\x1b[0m ${marker}')`, image)).toBe(id);
    expect(lines.filter((line) => /^CACHED \[.*2\/2\] RUN --mount/.test(line))).toHaveLength(1);
    await expect(build("console.error('why'); process.exit(7)")).rejects.toThrow(/^cannot build .*exit code: 7/);
    expect(lines).toContain('why');
  });

  it.each([
    ['a step that fails', `FROM ${BASE}\nRUN ["node","-e","process.exit(7)"]\n`, /returned a non-zero code: 7/],
    ['a Dockerfile with an unknown instruction', 'FRUM scratch\n', /unknown instruction: FRUM/i],
    ['a file that is missing in the folder', 'FROM scratch\nCOPY none /\n', /none/],
    ['an invalid image name', 'FROM scratch\nCOPY . /\n', /invalid reference format/, 'UPPER/case:1'],
  ])('fails with the reason of the engine: %s', async (_, Dockerfile, reason, image = aName()) => {
    const build = aBuilder().build({ ...rest, image, context: await context({ Dockerfile }) }, never);
    await expect(build).rejects.toThrow(reason);
    await expect(build).rejects.toThrow(`cannot build ${image}: `);
  });

  it('fails with the error of the context', async () => {
    const broken = new Readable({ read: () => broken.destroy(new Error('func.js changed while it was read')) });
    const build = aBuilder().build({ ...rest, image: aName(), context: broken }, never);
    await expect(build).rejects.toThrow(/^func\.js changed/);
  });

  it.each([
    ['the engine', false],
    ['BuildKit', true],
  ])('is aborted in %s when its caller aborts', async (_, buildkit) => {
    const marker = randomUUID();
    const program = "console.log('under way'); setTimeout(() => {}, 600_000)";
    const Dockerfile = `FROM ${BASE}\nRUN ${JSON.stringify(['node', '-e', program, marker])}\n`;
    const running = () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isNode(pid, marker)).length;
    const life = new AbortController();
    const build = aBuilder().build(
      { ...rest, buildkit, image: aName(), context: await context({ Dockerfile }) },
      life.signal,
    );
    build.catch(() => undefined);
    await until(() => lines.includes('under way'));
    expect(running()).toBe(1);
    life.abort();
    await expect(build).rejects.toThrow(/^cannot build /);
    await until(() => running() === 0);
  });

  it('fails without an engine', async () => {
    const image = 'a:1';
    const build = aBuilder({ DOCKER_HOST: 'unix:///nowhere.sock' }).build(
      { ...rest, image, context: await context({ Dockerfile: 'FROM scratch\n' }) },
      never,
    );
    await expect(build).rejects.toThrow('cannot build a:1: no Docker engine at unix:///nowhere.sock (DOCKER_HOST)');
  });
});

describe('an image that is pushed', () => {
  let registry: ImageRegistry;

  beforeAll(async () => {
    registry = await ImageRegistry.start({ locked: true });
  });
  afterAll(() => registry.close());

  it('is in the registry under its digest, with valid credentials', async () => {
    const image = await images.make(`${registry.host}/${randomUUID()}`, '1');
    const auth = Buffer.from(`${OPERATOR.username}:${OPERATOR.password}`).toString('base64');
    const FN_DOCKER_AUTH = JSON.stringify({ auths: { [registry.host]: { auth } } });
    const pinned = await aBuilder({ FN_DOCKER_AUTH }).push(image, never);
    expect(pinned).toMatch(new RegExp(`^${image.replace(/:1$/, '')}@sha256:[0-9a-f]{64}$`));
    await expect(aBuilder({ FN_DOCKER_AUTH: '{}' }).push(image, never)).rejects.toThrow(`cannot push ${image}: `);
  });
});

describe('an engine with unusual answers', () => {
  let engine: ScriptedEngine;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(async () => {
    builder.close();
    await engine.quiet();
    await engine.close();
  });

  const said =
    (...parts: unknown[]): EngineAnswer =>
    (response) =>
      void response.end(parts.map((part) => `${JSON.stringify(part)}\n`).join(''));
  const ID = `sha256:${'a'.repeat(64)}`;

  it.each<[string, EngineAnswer, RegExp]>([
    ['no id', said({ stream: 'done' }), /did not report the id of the image/],
    ['an invalid id', said({ aux: { ID: '../../x' } }), /did not report the id of the image/],
    [
      'an endless line',
      (response) => void response.end(`{"stream":"${'x'.repeat(2 ** 20)}`),
      /a line that is too long/,
    ],
    ['a lost connection', 'breaks off', /the connection to the engine was lost during the build/],
    ['a failure after an id', said({ aux: { ID } }, { error: 'disk\u001b[2J full' }), /: disk\\u001b\[2J full$/],
  ])('%s', async (_, answer, problem) => {
    engine.answers('POST /build', answer);
    const build = aBuilder(engine.environment).build({ ...rest, image: 'a:1', context: Readable.from([]) }, never);
    await expect(build).rejects.toThrow(problem);
    engine.answers('POST /build', said({ aux: { ID } }));
    expect(await builder.build({ ...rest, image: 'a:1', context: Readable.from([]) }, never)).toBe(ID);
  });

  it('shows the parts of BuildKit messages that it can decode', async () => {
    const trace = (aux: unknown) => ({ id: 'moby.buildkit.trace', aux });
    const bytes = (...parts: number[]) => Buffer.from(parts).toString('base64');
    // A log whose message is longer than it is, a step without an end, a number without an end, and no text at all.
    const parts = [bytes(0x1a, 4, 0x22, 200, 1, 65), bytes(10, 255, 255, 255, 255, 15), bytes(255, 255), '%', 7, {}];
    const log = bytes(0x1a, 5, 0x22, 3, 111, 107, 10);
    engine.answers('POST /build', said(...parts.map(trace), trace(log), { aux: { ID } }));
    await aBuilder(engine.environment).build({ ...rest, image: 'a:1', context: Readable.from([]) }, never);
    expect(lines).toEqual(['ok']);
  });

  it('truncates long lines', async () => {
    engine.answers('POST /build', said(...Array(100).fill({ stream: 'y'.repeat(1_000) }), { aux: { ID } }));
    await aBuilder(engine.environment).build({ ...rest, image: 'a:1', context: Readable.from([]) }, never);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(4_096);
  });
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Whether a process is the program of a step that has this among its arguments. */
function isNode(pid: string, marker: string): boolean {
  try {
    const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return program === 'node' && args.includes(marker);
  } catch {
    return false;
  }
}
