import type { ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import { readSettings } from '@fnfleet/core';
import { aSpec } from '../testing/describe-driver.js';
import { ScriptedEngine } from '../testing/scripted-engine.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';
import { EngineError } from './engine-errors.js';
import { containerIdIn, findOwnContainer, isEngineOutside } from './engine-paths.js';

const never = new AbortController().signal;
const MOUNTPOINT = '/var/lib/docker/volumes/fnserversocket/_data';

describe('FN_IOFS_DOCKER_PATH', () => {
  let engine: ScriptedEngine;
  let driver: DockerDriver | undefined;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    engine.answers('GET /volumes/fnserversocket', [200, { Name: 'fnserversocket', Mountpoint: MOUNTPOINT }]);
  });

  afterEach(async () => {
    await driver?.close();
    await engine.quiet();
    await engine.close();
  });

  function aDriver(dockerPath: string): DockerDriver {
    const env = { ...engine.environment, FN_IOFS_DOCKER_PATH: dockerPath };
    driver = new DockerDriver({ settings: readSettings(dockerSettings, env) });
    return driver;
  }

  it.each`
    what                   | dockerPath          | there
    ${'a path'}            | ${'/srv/fn/iofs'}   | ${'/srv/fn/iofs'}
    ${'a volume, by name'} | ${'fnserversocket'} | ${MOUNTPOINT}
  `('may be $what: a function gets the directory of its own socket only', async ({ dockerPath, there }) => {
    const asked = new Promise<{ HostConfig: { Binds: string[] } }>((resolve) => {
      engine.answers('POST /containers/create', (response: ServerResponse) => {
        json(response.req).then((body) => resolve(body as never));
        response.writeHead(201).end(JSON.stringify({ Id: 'made' }));
      });
    });
    const spec = aSpec({});
    engine.answers(`DELETE /containers/${spec.id}`, [204]);
    const { socketPath } = await aDriver(dockerPath).create(spec, never);
    const own = dirname(socketPath);
    const { Binds } = (await asked).HostConfig;
    expect(Binds).toEqual([`${join(there, basename(dirname(own)), basename(own))}:/tmp/iofs`]);
  });

  it.each`
    what                                      | dockerPath          | answer                                     | problem
    ${'a volume that does not exist'}         | ${'fnserversocket'} | ${[404, { message: 'no such volume' }]}    | ${/^FN_IOFS_DOCKER_PATH=fnserversocket: the Docker engine has no such volume\. Give the name/}
    ${'a volume without a mount point'}       | ${'fnserversocket'} | ${[200, { Name: 'fnserversocket' }]}       | ${/does not report where that volume is\. Mount a directory/}
    ${'a volume with a relative mount point'} | ${'fnserversocket'} | ${[200, { Mountpoint: 'somewhere/else' }]} | ${/does not report where that volume is/}
    ${'a volume with an invalid answer'}      | ${'fnserversocket'} | ${[200, [MOUNTPOINT]]}                     | ${/does not report where that volume is/}
    ${'a relative path'}                      | ${'./iofs'}         | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/^FN_IOFS_DOCKER_PATH=\.\/iofs is neither an absolute path nor the name of a volume/}
    ${'a path of the API'}                    | ${'../../info'}     | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/is neither an absolute path nor the name of a volume/}
    ${'two dots'}                             | ${'..'}             | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/is neither an absolute path nor the name of a volume/}
  `('as $what prevents the start of the runner', async ({ dockerPath, answer, problem }) => {
    engine.answers('GET /volumes/fnserversocket', answer);
    await expect(aDriver(dockerPath).ready).rejects.toThrow(problem);
  });
});

const ID = 'ab12'.repeat(16);
const INSIDE = `
570 480 0:52 / / rw,relatime master:201 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A
590 570 254:0 /var/lib/docker/containers/${ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
591 570 254:0 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
592 570 0:23 /docker.sock /run/docker.sock rw,nosuid - tmpfs tmpfs rw
593 570 254:0 /var/lib/docker/volumes/iofs/_data /run/fnfleet/iofs rw,relatime - ext4 /dev/vda rw
`;
const ON_THE_HOST = '25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n26 25 0:23 / /run rw - tmpfs tmpfs rw\n';

const mounts = [
  { source: '/var/lib/docker/volumes/iofs/_data', destination: '/run/fnfleet/iofs' },
  { source: '/srv/run', destination: '/run' },
];
const knowing = (id: string) => (asked: string) =>
  asked === id ? Promise.resolve(mounts) : Promise.reject(new EngineError(404, 'no such container'));

it('a process in a container of the engine finds the container and its mounts', async () => {
  const own = await findOwnContainer(knowing(ID), INSIDE);
  expect(own?.id).toBe(ID);
  expect(own?.engineSideOf('/run/fnfleet/iofs')).toBe('/var/lib/docker/volumes/iofs/_data');
  expect(own?.engineSideOf('/run/fnfleet/iofs/a/b')).toBe('/var/lib/docker/volumes/iofs/_data/a/b');
  expect(own?.engineSideOf('/run/fnfleet/iofs2')).toBe('/srv/run/fnfleet/iofs2');
  expect(own?.engineSideOf('/tmp')).toBeUndefined();
});

it('in a container of another engine, and on a host, there is none', async () => {
  expect(await findOwnContainer(knowing('other'), INSIDE)).toBeUndefined();
  expect(await findOwnContainer(knowing(ID), ON_THE_HOST)).toBeUndefined();
  expect(containerIdIn(ON_THE_HOST)).toBeUndefined();
});

it('an engine that does not answer is an error, not another engine', async () => {
  const away = () => Promise.reject(new Error('connect ECONNREFUSED'));
  await expect(findOwnContainer(away, INSIDE)).rejects.toThrow('ECONNREFUSED');
});

it.each`
  socket                | where          | outside
  ${'/run/docker.sock'} | ${INSIDE}      | ${true}
  ${'/srv/docker.sock'} | ${INSIDE}      | ${false}
  ${'/run/docker.sock'} | ${ON_THE_HOST} | ${false}
  ${undefined}          | ${INSIDE}      | ${false}
`('an engine at $socket is outside the container of the runner: $outside', ({ socket, where, outside }) => {
  expect(isEngineOutside(socket, where)).toBe(outside);
});
