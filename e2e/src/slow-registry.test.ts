// needs: docker-registry
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MIB } from '@fnfleet/core';
import { eventually, ImageRegistry, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, errorOf, invoke } from './harness/invoke.js';
import { MICRO_IMAGE } from './harness/paths.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(120_000);

const APP = 'e2e';
const CALLERS = 20;
const SIZE = 8 * MIB;
const FIRST_PART = 4 * MIB;
/** A command says how far the pull is after a second, which has to be before its call is answered. */
const IMAGE_WAIT_MS = 4_000;
const never = new Promise<void>(() => undefined);
const docker = new Docker();

let registry: ImageRegistry;
let fleet: Fleet;
/** Of the repositories of this run, and of their functions: nobody else has it. */
let name: string;

async function begin(settings: Readonly<Record<string, string>>): Promise<void> {
  name = `e2e-${randomBytes(4).toString('hex')}`;
  registry = await ImageRegistry.start();
  const noPause = { FN_IMAGE_PULL_RETRY_INTERVAL_MSECS: '10', FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS: '1' };
  fleet = await Fleet.start({ runners: 2, settings: { ...noPause, ...settings } });
}

afterEach(() => registry.front.reset());

async function end(): Promise<void> {
  expect(await fleet.stop()).toEqual([]);
  await removeImages(name);
  await registry.close();
  expect(fleet.log).not.toMatch(/uncaught error|unhandled rejection/);
}

interface Published {
  readonly fn: string;
  readonly repository: string;
  readonly digest: string;
  readonly url: string;
}

/** A function whose image is in the registry, under a digest that func.yaml's owner never wrote, and not on this machine. */
async function publish(what: string): Promise<Published> {
  const fn = `${name}-${what}`;
  const folder = path.join(fleet.footprint.folder, fn);
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'func.yaml'), `name: ${fn}\nversion: 0.0.1\n`);
  writeFileSync(path.join(folder, 'Dockerfile'), `FROM ${MICRO_IMAGE}\nCOPY ballast /ballast\n`);
  writeFileSync(path.join(folder, 'ballast'), randomBytes(SIZE));
  const args = ['deploy', folder, '--app', APP, '--registry', `${registry.host}/team`];
  const { code, output } = await fnfleet(args, { ...fleet.footprint.env, FN_API_URL: fleet.apiUrl });
  expect([code, output]).toEqual([0, expect.stringContaining(`pushing ${registry.host}/team/${fn}:0.0.1`)]);
  const [, url = ''] = /invoke it at (http:\S+)/.exec(output) ?? [];
  const [, digest = ''] = /@(sha256:[0-9a-f]{64})/.exec(await imageOf(url)) ?? [];
  await removeImages(fn);
  registry.front.reset();
  return { fn, repository: `team/${fn}`, digest, url };
}

/** What the API node has as the image of a function. */
async function imageOf(url: string): Promise<string> {
  const answer = await fetch(`${fleet.apiUrl}/v2/fns/${url.slice(url.lastIndexOf('/') + 1)}`);
  return ((await answer.json()) as { image: string }).image;
}

async function removeImages(prefix: string): Promise<void> {
  const ours = (tag: string) => tag.includes(`/${prefix}`);
  for (const { Id, RepoTags, RepoDigests } of await docker.listImages()) {
    if ([...(RepoTags ?? []), ...(RepoDigests ?? [])].some(ours)) await docker.getImage(Id).remove({ force: true });
  }
}

async function pulls(): Promise<{ image: string; received_bytes: number; total_bytes: number }[]> {
  return ((await (await fetch(`${fleet.lbUrl}/pulls`)).json()) as { pulls: [] }).pulls;
}

const ofImage = (image: string) => ({ image, received_bytes: expect.any(Number), total_bytes: expect.any(Number) });
const pulling = (image: string) =>
  until({ what: `the pull of ${image}`, look: async () => (await pulls()).find((pull) => pull.image === image) });
const call = ({ url }: Published) => invoke(url, { body: 'x' });
const settle = (text: Answer) => [text.status, text.body.toString()];
const served = (published: Published) =>
  until({
    what: 'an answer of the function',
    look: async () => ((await call(published)).status === 200 ? true : undefined),
  });

describe('an image that comes slowly', () => {
  beforeAll(() => begin({ FN_IMAGE_WAIT_MSECS: `${IMAGE_WAIT_MS}` }));
  afterAll(end);

  it('is pulled once, by one runner, for all who call; they learn how far it is, and later calls are served', async () => {
    const published = await publish('slow');
    expect(published.digest).not.toBe('');
    const gate = Promise.withResolvers<void>();
    registry.front.flow = (request) =>
      request.startsWith(`GET /v2/${published.repository}/blobs/`)
        ? { bytes: FIRST_PART, next: gate.promise }
        : undefined;
    const image = `${registry.host}/${published.repository}@${published.digest}`;

    const first = call(published);
    // The balancer has asked the runners: it knows which of them pulls, and that the other has more room.
    await pulling(image);
    const command = fnfleet(['invoke', APP, published.fn, '--data', 'x'], { FN_API_URL: fleet.apiUrl });
    const answers = await Promise.all([first, ...Array.from({ length: CALLERS - 1 }, () => call(published))]);
    for (const answer of answers) {
      expect(errorOf(answer)).toEqual([503, `The image '${image}' is being pulled, try again later`]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(await pulls()).toEqual([ofImage(image)]);
    const pull = await until({
      what: 'more than half of what comes',
      look: async () => (await pulls()).find(({ received_bytes }) => received_bytes > FIRST_PART / 2),
    });
    expect(pull.received_bytes).toBeLessThanOrEqual(FIRST_PART);
    expect(pull.total_bytes).toBeGreaterThan(SIZE);
    const { code, output } = await command;
    expect(code).toBe(1);
    expect(output).toMatch(/^the image \S+ is being pulled, [0-4] of 8 MB$/m);
    // When to come back, and no command for output: nothing has run.
    expect(output).toMatch(/the call failed with status 503 \(call \w+\); try again in \d+ s\n/);
    expect(output).not.toContain('fnfleet logs');

    // Nobody else pays for it, on any runner.
    const here = await fleet.deployed({ name: 'here', image: MICRO_IMAGE });
    expect((await invoke(here, { body: 'x' })).status).toBe(200);
    // Those who come back wait for the same pull.
    expect(new Set((await Promise.all([call(published), call(published)])).map(({ status }) => status))).toEqual(
      new Set([503]),
    );
    // The engine shares downloads of both runners: its registry would not notice a second pull.
    expect(await pulls()).toEqual([ofImage(image)]);
    expect(registry.front.lookups(published.repository, published.digest)).toBe(1);

    gate.resolve();
    await served(published);
    await eventually(async () => expect(await pulls()).toEqual([]));
    expect(registry.front.lookups(published.repository, published.digest)).toBe(1);
  });

  it('and breaks off in the middle comes in the end: the engine fetches the rest', async () => {
    const published = await publish('cut');
    const cut = new Set<string>();
    registry.front.flow = (request) => {
      if (!request.startsWith(`GET /v2/${published.repository}/blobs/`) || cut.has(request)) return undefined;
      cut.add(request);
      return { bytes: FIRST_PART, next: 'cut' };
    };
    expect((await call(published)).status).toBe(503);
    await served(published);
    expect(cut.size).toBeGreaterThan(1);
    expect(registry.front.lookups(published.repository, published.digest)).toBe(1);
  });
});

describe('a registry that does not give the image', () => {
  beforeAll(() => begin({ FN_HOT_PULL_TIMEOUT_MSECS: '3500', FN_IMAGE_PULL_MAX_RETRIES: '2' }));
  afterAll(end);

  const manifests = (status: number) => () => {
    registry.front.answer = (request) => (request.includes('/manifests/') ? status : undefined);
  };
  const stalls = (what: RegExp, bytes: number) => () => {
    registry.front.flow = (request) => (what.test(request) ? { bytes, next: never } : undefined);
  };

  it.each`
    what                                  | trouble                              | status | message
    ${'wants to know who asks'}           | ${manifests(401)}                    | ${401} | ${/no basic auth credentials|unauthorized/}
    ${'has no such image'}                | ${manifests(404)}                    | ${404} | ${/not found|manifest unknown/}
    ${'is asked too often'}               | ${manifests(429)}                    | ${502} | ${/toomanyrequests/}
    ${'is broken'}                        | ${manifests(500)}                    | ${502} | ${/unknown|500/}
    ${'says nothing, for ever'}           | ${stalls(/^GET .*\/manifests\//, 0)} | ${504} | ${/Image pull timed out/}
    ${'stops in the middle of the image'} | ${stalls(/^GET .*\/blobs\//, 4096)}  | ${504} | ${/Image pull timed out/}
  `(
    '$what: $status, no runner is put out for it, nothing is left, and the image is taken when it comes',
    async (row) => {
      const published = await publish(`bad${row.status}${randomBytes(2).toString('hex')}`);
      row.trouble();
      // More than the failures in a row for which a runner would be out for a while.
      const answers = await Promise.all(Array.from({ length: 8 }, () => call(published)));
      for (const answer of answers) expect(settle(answer)).toEqual([row.status, expect.stringMatching(row.message)]);
      expect(await states()).toEqual(['ok', 'ok']);
      // An answer may be there before its runner is done with the call.
      await eventually(async () => expect([await pulls(), await inHand()]).toEqual([[], [0, 0]]));

      registry.front.reset();
      expect((await call(published)).status).toBe(200);
    },
  );

  async function states(): Promise<string[]> {
    const answer = await fetch(`${fleet.lbUrl}/fleet`);
    return ((await answer.json()) as { runners: { state: string }[] }).runners.map(({ state }) => state);
  }

  const inHand = () =>
    Promise.all(
      ['runner1', 'runner2'].map(async (runner) => {
        const answer = await fetch(`${fleet.url(runner)}/runner`);
        return ((await answer.json()) as { in_hand: number }).in_hand;
      }),
    );
});
