// takes: 16 s
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { count, ERRORS, type ErrorCode, MIB, RecordedMetrics, readSettings } from '@fnfleet/core';
import type { Container } from '../driver.js';
import { aSpec } from '../testing/describe-driver.js';
import { type EngineAnswer, ScriptedEngine } from '../testing/scripted-engine.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

const never = new AbortController().signal;
const IMAGE = 'GET /images/i:1/json';
const CREATE = 'POST /containers/create';

let engine: ScriptedEngine;
let driver: DockerDriver;
let hot: Container;
let sent: number;

/** Sends a head, then these bytes repeatedly until the connection closes. */
function endless(piece: string, status = 200): EngineAnswer {
  const bytes = Buffer.from(piece.repeat(Math.ceil((64 * 1024) / piece.length)));
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    const more = () => {
      while (!response.destroyed) {
        sent += bytes.length;
        // A test that fails should end.
        if (sent > 500 * MIB) return void response.destroy();
        if (!response.write(bytes)) return void response.once('drain', more);
      }
    };
    more();
  };
}

const hugeHeaders: EngineAnswer = (response: ServerResponse) => {
  response.socket?.write(`HTTP/1.1 200 OK\r\n${`X-Y: ${'z'.repeat(1000)}\r\n`.repeat(2_000)}\r\n{}`);
};
const notHttp: EngineAnswer = (response: ServerResponse) => {
  response.socket?.write('this is not HTTP\r\n\r\n');
};

beforeEach(async () => {
  metrics.reset();
  sent = 0;
  engine = await ScriptedEngine.start();
  driver = new DockerDriver({
    settings: readSettings(dockerSettings, {
      ...engine.environment,
      FN_IMAGE_PULL_MAX_RETRIES: '0',
    }),
  });
  engine.answers(IMAGE, [200, { Id: 'i', Size: 1 }]);
  hot = await started();
});

afterEach(async () => {
  await allIsWell();
  await driver.close();
  expect(metrics.sum('iofs_directories_left')).toBe(0);
  await engine.quiet();
  await engine.close();
});

async function started(): Promise<Container> {
  const container = await created();
  const path = `POST /containers/${container.id}`;
  engine.answers(`${path}/wait`, 'goes on');
  engine.answers(`${path}/start`, [204]);
  await container.start(never);
  return container;
}

async function created(): Promise<Container> {
  const spec = aSpec({ image: 'i:1' });
  engine.answers(`DELETE /containers/${spec.id}`, [204]);
  return driver.create(spec, never);
}

/** A hot container is still there, new ones can be made, and nothing is held of those that could not. */
async function allIsWell(): Promise<void> {
  engine.answers(IMAGE, [200, { Id: 'i', Size: 1 }]);
  engine.answers(CREATE, [201, { Id: 'made' }]);
  engine.answers('POST /containers/made/pause', [204]);
  engine.answers('POST /containers/made/unpause', [204]);
  engine.answers('GET /containers/made/json', [200, { State: { Running: true, Pid: 0 } }]);
  await hot.pause();
  await hot.resume();
  expect(driver.health.now.state).toBe('ok');
  await (await started()).close();
}

describe.each`
  what                         | answer
  ${'endless JSON'}            | ${endless('{"a":"b",')}
  ${'an endless error'}        | ${endless('sorry ', 500)}
  ${'text'}                    | ${[200, 'not JSON at all']}
  ${'nothing'}                 | ${[200, '']}
  ${'null'}                    | ${[200, 'null']}
  ${'a list'}                  | ${[200, '[1, 2]']}
  ${'fields of other types'}   | ${[200, '{"Id": 7, "Size": "big", "State": [], "RepoTags": 3, "Config": "x"}']}
  ${'huge headers'}            | ${hugeHeaders}
  ${'bytes that are not HTTP'} | ${notHttp}
`('an engine that answers with $what', ({ what, answer }) => {
  it('when asked for an image: another runner may take the call', async () => {
    engine.answers(IMAGE, answer);
    const outcome = await codeOf(driver.prepareImage(aSpec({ image: 'i:1' }), never));
    expect(outcome).toBe(what === 'an endless error' ? 'EngineError' : 'serverBusy');
    expect(sent).toBeLessThan(50 * MIB);
  });

  it('when it creates a container: one that it may have created is removed', async () => {
    engine.answers(CREATE, answer);
    const removals = engine.calls.length;
    expect(await codeOf(created())).toBe(what === 'an endless error' ? 'EngineError' : 'serverBusy');
    const isRemoval = (call: string) => call.startsWith('DELETE ');
    // What the engine refuses it has not made.
    const wanted = what === 'an endless error' ? 0 : 1;
    while (engine.calls.slice(removals).filter(isRemoval).length < wanted) await sleep(5);
    expect(sent).toBeLessThan(50 * MIB);
  });

  it('to lists, events and statistics: the answers are ignored', async () => {
    for (const call of ['GET /containers/json', 'GET /events', `GET /containers/${hot.id}/stats`])
      engine.answers(call, answer);
    const other = new DockerDriver({ settings: readSettings(dockerSettings, engine.environment) });
    await other.ready;
    await sleep(1_200);
    await other.close();
    // The list, one sample, and what was on its way of the events.
    expect(sent).toBeLessThan(150 * MIB);
  });

  it('while it pulls: the call fails, and its answer is not kept', async () => {
    engine.answers(IMAGE, [404, { message: 'no such image' }]);
    engine.answers('POST /images/create', answer);
    const preparing = driver.prepareImage(aSpec({ image: 'i:1' }), AbortSignal.timeout(30_000));
    expect(['imagePullFailed', 'serverBusy']).toContain(await codeOf(preparing));
    expect(sent).toBeLessThan(50 * MIB);
  });
});

it('events of every name: the metrics stay small', async () => {
  const lines = Array.from({ length: 4_900 }, (_, i) => JSON.stringify({ Type: `t${i}`, Action: `a${i}: x` }));
  const known = JSON.stringify({ Type: 'container', Action: 'exec_create: sh -c secret' });
  engine.answers('GET /events', (response) => {
    response.writeHead(200);
    response.write(`${known}\n${lines.join('\n')}\n`);
  });
  const other = new DockerDriver({ settings: readSettings(dockerSettings, engine.environment) });
  await other.ready;
  while (metrics.sum('docker_events') < 4_901) await sleep(5);
  await other.close();
  expect(metrics.sum('docker_events', { event_action: 'exec_create', event_type: 'container' })).toBe(1);
  // A hundred names of each kind, and the rest together.
  expect(metrics.sum('docker_events', { event_action: 'other', event_type: 'other' })).toBeGreaterThan(4_700);
});

it('output whose frames announce a wrong length is passed on as it arrives, and not buffered', async () => {
  let printed = 0;
  const spec = aSpec({
    image: 'i:1',
    output: (chunk) => {
      printed += chunk.length;
    },
  });
  engine.answers(`DELETE /containers/${spec.id}`, [204]);
  const path = `POST /containers/${spec.id}`;
  engine.answers(`${path}/wait`, 'goes on');
  engine.answers(`${path}/start`, [204]);
  engine.answers(`${path}/attach`, (response) => {
    response.writeHead(200);
    // Four gigabytes are announced, one megabyte comes; then heads of nothing.
    response.write(Buffer.concat([Buffer.from([1, 0, 0, 0, 255, 255, 255, 255]), Buffer.alloc(MIB, 'x')]));
  });
  const container = await driver.create(spec, never);
  await container.start(never);
  while (printed < MIB) await sleep(5);
  await container.close();
  expect(printed).toBe(MIB);
});

it.each`
  status | message                                                                                       | code
  ${400} | ${'Minimum memory limit allowed is 6MB'}                                                      | ${'containerRefused'}
  ${400} | ${'No command specified'}                                                                     | ${'containerRefused'}
  ${400} | ${'invalid environment variable: =x'}                                                         | ${'containerRefused'}
  ${400} | ${'invalid mount config for type "bind"'}                                                     | ${'EngineError'}
  ${400} | ${'unknown or invalid runtime name: runsc'}                                                   | ${'EngineError'}
  ${404} | ${'No such image: i:1'}                                                                       | ${'serverBusy'}
  ${409} | ${'the name is already in use'}                                                               | ${'EngineError'}
  ${500} | ${'no space left on device'}                                                                  | ${'EngineError'}
  ${500} | ${'fill out specgen: invalid environment variable: "=x"'}                                     | ${'containerRefused'}
  ${500} | ${'container create: no command or entrypoint provided, and no CMD or ENTRYPOINT from image'} | ${'containerRefused'}
  ${500} | ${'container create: running container create option: invalid log driver: invalid argument'}  | ${'syslogUnavailable'}
`('creating a container fails with $status $message: $code', async ({ status, message, code }) => {
  engine.answers(CREATE, [status, { message }]);
  expect(await codeOf(created())).toBe(code);
  if (code === 'containerRefused') expect(ERRORS[code as ErrorCode]).toMatchObject({ status: 400, blame: 'function' });
});

it.each`
  message                                                                                       | problem
  ${'No command specified'}                                                                     | ${'the image has no command; give its Dockerfile a CMD or an ENTRYPOINT'}
  ${'invalid environment variable: =x'}                                                         | ${'a key or value of the configuration cannot be an environment variable'}
  ${'container create: no command or entrypoint provided, and no CMD or ENTRYPOINT from image'} | ${'the image has no command; give its Dockerfile a CMD or an ENTRYPOINT'}
  ${'Minimum memory limit allowed is 6MB'}                                                      | ${'the engine rejects the memory limit of the function'}
  ${'something else'}                                                                           | ${'the engine rejects the image, the limits or the configuration of the function'}
`(
  'the error for "$message" says what to fix, with the message of the engine as detail',
  async ({ message, problem }) => {
    engine.answers(CREATE, [400, { message }]);
    await expect(created()).rejects.toMatchObject({
      message: `Container cannot be created: ${problem}`,
      detail: message,
    });
  },
);

it.each(['hello:$VERSION', 'Team/Fn:1', '..//127.0.0.1:80/x', '../containers/json?', 'a/../../b', 'i:1#'])(
  'an invalid image name %s is rejected without a request, as a fault of the function',
  async (image) => {
    const before = engine.targets.length;
    await expect(driver.prepareImage(aSpec({ image }), never)).rejects.toMatchObject({
      code: 'imageNameInvalid',
      status: 400,
      blame: 'function',
      message: expect.stringContaining(image),
    });
    expect(engine.targets.slice(before)).toEqual([]);
  },
);

it('an image name that the engine rejects is the function’s fault', async () => {
  engine.answers('GET /images/i:2/json', [400, { message: 'invalid reference format' }]);
  await expect(driver.prepareImage(aSpec({ image: 'i:2' }), never)).rejects.toMatchObject({
    code: 'imageNameInvalid',
    blame: 'function',
    detail: 'invalid reference format',
  });
});

it.each([301, 302, 307, 308])('a redirect of the engine with %d is not followed', async (status) => {
  const asked: unknown[] = [];
  const other = createServer((request, response) => {
    asked.push(request.url);
    response.end(JSON.stringify({ Id: 'another', Size: 1 }));
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/images/i:3/json`;
  engine.answers('GET /images/i:3/json', (response) => response.writeHead(status, { Location: location }).end());
  expect(await codeOf(driver.prepareImage(aSpec({ image: 'i:3' }), never))).not.toBe('ok');
  expect(asked).toEqual([]);
  await new Promise((resolve) => other.close(resolve));
});

it('a create request has only the name in its request line, and everything else in its body', async () => {
  const spec = aSpec({ image: 'i:1', env: { SECRET: 'hunter2', BIG: 'x'.repeat(400_000) } });
  engine.answers(`DELETE /containers/${spec.id}`, [204]);
  const container = await driver.create(spec, never);
  expect(engine.targets.filter((target) => target.startsWith(CREATE)).at(-1)).toBe(`${CREATE}?name=${spec.id}`);
  expect(engine.targets.join()).not.toContain('hunter2');
  await container.close();
});

const OCI = 'failed to create shim task: OCI runtime create failed: unable to start container process: ';

it.each`
  status | message                                                              | code
  ${400} | ${`${OCI}exec: "/nope": stat /nope: no such file or directory`}      | ${'containerInitFailed'}
  ${400} | ${'an unknown reason'}                                               | ${'containerInitFailed'}
  ${404} | ${`${OCI}exec: "/nope": stat /nope: no such file or directory`}      | ${'containerInitFailed'}
  ${500} | ${`${OCI}error during container init: environment variable value`}   | ${'containerInitFailed'}
  ${500} | ${'unable to find user nobody: no matching entries in passwd file'}  | ${'containerInitFailed'}
  ${500} | ${'failed to initialize logging driver: dial tcp: refused'}          | ${'syslogUnavailable'}
  ${409} | ${'cannot join network of a non running container: 1a2b'}            | ${'serverBusy'}
  ${500} | ${'joining network namespace of container: No such container: 1a2b'} | ${'serverBusy'}
  ${500} | ${'Bind for 127.0.0.1:5678 failed: port is already allocated'}       | ${'containerRefused'}
  ${500} | ${'listen tcp4 127.0.0.1:5678: bind: address already in use'}        | ${'containerRefused'}
  ${404} | ${'network fnnet not found'}                                         | ${'EngineError'}
  ${500} | ${'driver failed programming external connectivity'}                 | ${'EngineError'}
`('starting a container fails with $status $message: $code', async ({ status, message, code }) => {
  const container = await created();
  engine.answers(`POST /containers/${container.id}/wait`, 'goes on');
  engine.answers(`POST /containers/${container.id}/start`, [status, { message }]);
  expect(await codeOf(container.start(never))).toBe(code);
  const blame = code === 'serverBusy' ? 'platform' : 'function';
  if (code in ERRORS) expect(ERRORS[code as ErrorCode].blame).toBe(blame);
  await container.close();
});

async function codeOf(step: Promise<unknown>): Promise<string> {
  try {
    await step;
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}
