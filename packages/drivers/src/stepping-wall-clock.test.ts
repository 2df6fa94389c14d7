import { FakeClock, readSettings, silentLogger } from '@fnfleet/core';
import { DockerDriver } from './docker/docker-driver.js';
import { dockerSettings } from './docker/docker-settings.js';
import { EngineTimeoutError } from './docker/engine-errors.js';
import { EngineHealth } from './docker/engine-health.js';
import { RateLimit } from './docker/prefork/prefork-pool.js';
import { aSpec } from './testing/describe-driver.js';
import { ScriptedEngine } from './testing/scripted-engine.js';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

describe.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('the wall clock steps %s by an hour', (_, stepMs) => {
  let clock: FakeClock;

  beforeEach(() => {
    clock = new FakeClock();
  });

  it('a stuck engine is left alone for the same time', async () => {
    const health = new EngineHealth({
      address: 'unix:///d.sock',
      ping: async () => undefined,
      intervalMs: 5_000,
      clock,
    });
    health.start();
    const stuck = new EngineTimeoutError('start_container', 30_000);
    while (health.now.state === 'ok') health.unanswered('change', stuck);
    clock.stepWall(stepMs);
    await clock.advance(29_999);
    expect(health.now.state).toBe('degraded');
    await clock.advance(501);
    expect(health.now.state).toBe('ok');
    health.close();
  });

  it('an inspected image is not inspected again for ten seconds', async () => {
    const engine = await ScriptedEngine.start();
    const inspect = 'GET /images/a/b:1/json';
    engine.answers(inspect, [200, { Id: 'sha256:ab', Size: 1000, RepoTags: ['a/b:1'] }]);
    const driver = new DockerDriver({
      settings: readSettings(dockerSettings, engine.environment),
      clock,
      logger: silentLogger,
    });
    const asked = () => engine.calls.filter((call) => call === inspect).length;
    const prepare = () => driver.prepareImage(aSpec({ image: 'a/b:1' }), never);
    await prepare();
    clock.stepWall(stepMs);
    await clock.advance(9_999);
    await prepare();
    expect(asked()).toBe(1);
    await clock.advance(1);
    await prepare();
    expect(asked()).toBe(2);
    await driver.close();
    await engine.close();
  });

  it('the rate per second stays the same', async () => {
    const rate = new RateLimit({ perSecond: 10, burst: 1, clock });
    let through = 0;
    const ask = () => void rate.turn(never).then(() => (through += 1));
    for (let i = 0; i < 10; i += 1) ask();
    await clock.advance(0);
    clock.stepWall(stepMs);
    for (let i = 0; i < 10; i += 1) ask();
    await clock.advance(1_000);
    expect(through).toBe(11);
    await clock.advance(1_000);
    expect(through).toBe(20);
  });
});
