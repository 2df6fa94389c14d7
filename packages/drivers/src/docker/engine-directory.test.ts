import type { ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import { readSettings } from '@fnfleet/core';
import { aSpec } from '../testing/describe-driver.js';
import { ScriptedEngine } from '../testing/scripted-engine.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';

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
  `(
    'may be $what: a function is given the directory of its own socket, never the whole',
    async ({ dockerPath, there }) => {
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
    },
  );

  it.each`
    what                                      | dockerPath          | answer                                     | problem
    ${'a volume that is not there'}           | ${'fnserversocket'} | ${[404, { message: 'no such volume' }]}    | ${/^FN_IOFS_DOCKER_PATH=fnserversocket: the Docker engine has no such volume\. Give the name/}
    ${'a volume that is nowhere to be found'} | ${'fnserversocket'} | ${[200, { Name: 'fnserversocket' }]}       | ${/does not report where that volume is\. Mount a directory/}
    ${'a volume in no certain place'}         | ${'fnserversocket'} | ${[200, { Mountpoint: 'somewhere/else' }]} | ${/does not report where that volume is/}
    ${'a volume, answered with nonsense'}     | ${'fnserversocket'} | ${[200, [MOUNTPOINT]]}                     | ${/does not report where that volume is/}
    ${'a relative path'}                      | ${'./iofs'}         | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/^FN_IOFS_DOCKER_PATH=\.\/iofs is neither an absolute path nor the name of a volume/}
    ${'another place of the API'}             | ${'../../info'}     | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/is neither an absolute path nor the name of a volume/}
    ${'two dots'}                             | ${'..'}             | ${[200, { Mountpoint: MOUNTPOINT }]}       | ${/is neither an absolute path nor the name of a volume/}
  `('as $what stops the runner at its start', async ({ dockerPath, answer, problem }) => {
    engine.answers('GET /volumes/fnserversocket', answer);
    await expect(aDriver(dockerPath).ready).rejects.toThrow(problem);
  });
});
