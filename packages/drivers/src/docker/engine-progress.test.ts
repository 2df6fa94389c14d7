import type { ServerResponse } from 'node:http';
import { Deferred, readSettings } from '@fnfleet/core';
import type { ImagePull } from '../driver.js';
import { aSpec } from '../testing/describe-driver.js';
import { ScriptedEngine } from '../testing/scripted-engine.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';

const never = new AbortController().signal;
const INSPECT = 'GET /images/a/b:1/json';
let engine: ScriptedEngine;
let driver: DockerDriver;

beforeEach(async () => {
  engine = await ScriptedEngine.start();
  driver = new DockerDriver({ settings: readSettings(dockerSettings, engine.environment) });
});
afterEach(async () => {
  await driver.close();
  await engine.quiet();
  await engine.close();
});

const downloading = (id: unknown, current: unknown, total?: unknown, status = 'Downloading') => ({
  status,
  id,
  progressDetail: { current, total },
});

/** What is known of a pull of which the engine has reported so much. */
async function after(reported: readonly object[]): Promise<{ receivedBytes: number; totalBytes: number }> {
  const answering = new Deferred<ServerResponse>();
  engine.answers(INSPECT, [404, { message: 'no such image' }], [200, { Id: 'a' }]);
  engine.answers('POST /images/create', (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    for (const line of reported) response.write(`${JSON.stringify(line)}\n`);
    answering.resolve(response);
  });
  const begun = new Deferred<ImagePull>();
  const prepared = driver.prepareImage(aSpec({ image: 'a/b:1' }), never, begun.resolve);
  const [pull, response] = await Promise.all([begun.promise, answering.promise]);
  response.end();
  (await prepared).release();
  return { receivedBytes: pull.receivedBytes, totalBytes: pull.totalBytes };
}

it.each`
  what                                  | reported                                                                      | receivedBytes | totalBytes
  ${'nothing'}                          | ${[]}                                                                         | ${0}          | ${0}
  ${'layers that wait'}                 | ${[{ status: 'Waiting', id: 'a', progressDetail: {} }]}                       | ${0}          | ${0}
  ${'two layers'}                       | ${[downloading('a', 1, 10), downloading('b', 5, 7), downloading('a', 9, 10)]} | ${14}         | ${17}
  ${'a layer that starts over'}         | ${[downloading('a', 9, 10), downloading('a', 1, 10)]}                         | ${1}          | ${10}
  ${'unpacking'}                        | ${[downloading('a', 9, 10), downloading('a', 3, 10, 'Extracting')]}           | ${9}          | ${10}
  ${'more received than the total'}     | ${[downloading('a', 11, 10)]}                                                 | ${10}         | ${10}
  ${'invalid sizes'}                    | ${[downloading('a', 1, -1), downloading('b', 'x', 1), downloading('c', 1)]}   | ${0}          | ${0}
  ${'a fraction, and a size too large'} | ${[downloading('a', 0.5, 1), downloading('b', 1, 1e300)]}                     | ${0}          | ${0}
  ${'a layer without a name'}           | ${[downloading(undefined, 1, 2), downloading(7, 1, 2)]}                       | ${0}          | ${0}
  ${'a layer with a long name'}         | ${[downloading('a'.repeat(1000), 1, 2)]}                                      | ${0}          | ${0}
  ${'2 000 layers'}                     | ${Array.from({ length: 2_000 }, (_, index) => downloading(`${index}`, 1, 2))} | ${1_000}      | ${2_000}
`('a pull whose engine reports $what', async ({ reported, receivedBytes, totalBytes }) => {
  expect(await after(reported)).toEqual({ receivedBytes, totalBytes });
});

it('an image that is here is not pulled', async () => {
  engine.answers(INSPECT, [200, { Id: 'a' }]);
  const onPull = jest.fn();
  (await driver.prepareImage(aSpec({ image: 'a/b:1' }), never, onPull)).release();
  expect(onPull).not.toHaveBeenCalled();
});
