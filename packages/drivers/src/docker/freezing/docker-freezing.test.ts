// needs: docker
import { count, type Environment, RecordedMetrics, readSettings } from '@fnfleet/core';
import type { Container } from '../../driver.js';
import { aSpec } from '../../testing/describe-driver.js';
import { callFunction, functionImage } from '../../testing/test-functions.js';
import { DockerDriver } from '../docker-driver.js';
import { dockerSettings } from '../docker-settings.js';

const metrics = RecordedMetrics.install();
count('calls', 0);
const never = new AbortController().signal;
let driver: DockerDriver | undefined;
let image: string;

beforeAll(async () => {
  image = await functionImage('probe');
}, 60_000);
beforeEach(() => metrics.reset());
afterEach(async () => {
  await driver?.close();
  driver = undefined;
});

async function running(env: Environment): Promise<Container> {
  driver = new DockerDriver({ settings: readSettings(dockerSettings, env) });
  const container = await driver.create(aSpec({ image }), never);
  await container.start(never);
  await container.listening(never);
  return container;
}

const enginePauses = () => metrics.values('docker_api_latency', { api_name: 'docker_pause_container' }).length;

it.each`
  title                                                            | env                                     | pauses
  ${'through its control group, without the engine'}               | ${{}}                                   | ${0}
  ${'through the engine when the control group is not accessible'} | ${{ FN_CGROUP_PATH: '/no/such/mount' }} | ${2}
  ${'through the engine when that is configured'}                  | ${{ FN_FREEZE_THROUGH_ENGINE: '1' }}    | ${2}
`('agent-and-docker 33: freezes $title', async ({ env, pauses }) => {
  const container = await running(env);
  await container.pause();
  let answered = false;
  const answer = callFunction(container.socketPath).finally(() => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(answered).toBe(false);
  await container.resume();
  expect((await answer).status).toBe(200);
  // A frozen container cannot die: it is thawed first.
  await container.pause();
  await container.close();
  expect((await container.wait()).exitCode).toBe(137);
  expect(enginePauses()).toBe(pauses);
});
