import { CancelledError, RecordedMetrics, systemClock } from '@fnfleet/core';
import { ScriptedEngine } from '../testing/scripted-engine.js';
import { Engine } from './engine.js';
import { engineAddress } from './engine-address.js';
import type { EngineObserver } from './engine-transport.js';
import { parseImageReference } from './images/image-reference.js';

const metrics = RecordedMetrics.install();
const never = new AbortController().signal;

describe('requests to an engine', () => {
  let scripted: ScriptedEngine;
  let engine: Engine;
  let observed: string[];

  beforeEach(async () => {
    metrics.reset();
    scripted = await ScriptedEngine.start();
    observed = [];
    const observer: EngineObserver = {
      answered: (kind) => observed.push(`${kind} answered`),
      unanswered: (kind, error) => observed.push(`${kind} unanswered: ${error.message}`),
    };
    const dockerHost = scripted.environment.DOCKER_HOST;
    const address = engineAddress({ dockerHost, dockerTlsVerify: undefined, dockerCertPath: undefined });
    const limits = { probe: 2_000, query: 2_000, change: 2_000, removal: 2_000 };
    engine = new Engine({ address, limits, clock: systemClock, observer });
  });

  afterEach(async () => {
    engine.close();
    await scripted.quiet();
    await scripted.close();
  });

  function measured(api: string): string[] {
    const statuses = ['ok', 'canceled', 'timeout', 'error', '404', '500'];
    return statuses.filter(
      (status) => metrics.values('docker_api_latency', { api_name: api, api_status: status }).length,
    );
  }

  it.each([
    ['x?all=1#z', 'x%3Fall%3D1%23z'],
    ['x/y z%2f', 'x/y%20z%252f'],
    ['r.example:5000/x@sha256:00', 'r.example:5000/x@sha256:00'],
  ])('escape the name of an image or container: %s', async (name, written) => {
    const container = encodeURIComponent(name);
    scripted.answers(`GET /images/${written}/json`, [404, {}]);
    scripted.answers(`POST /containers/${container}/start`, [204]);
    expect(await engine.inspectImage(name, never)).toBeUndefined();
    await engine.startContainer(name);
    expect(scripted.targets).toEqual([`GET /images/${written}/json`, `POST /containers/${container}/start`]);
  });

  it('are measured by name and outcome, and show whether the engine is alive', async () => {
    scripted.answers('POST /containers/c/start', [204]);
    scripted.answers('POST /containers/c/pause', [500, { message: 'cannot freeze' }]);
    scripted.answers('POST /containers/c/unpause', 'hangs');
    scripted.answers('DELETE /containers/c', 'hangs up');
    await engine.startContainer('c');
    await expect(engine.pauseContainer('c')).rejects.toThrow('cannot freeze');
    await expect(engine.resumeContainer('c')).rejects.toThrow('did not answer unpause_container within 2000 ms');
    await expect(engine.removeContainer('c')).rejects.toThrow('socket hang up');
    expect(measured('docker_start_container')).toEqual(['ok']);
    expect(measured('docker_pause_container')).toEqual(['500']);
    expect(measured('docker_unpause_container')).toEqual(['timeout']);
    expect(measured('docker_remove_container')).toEqual(['error']);
    expect(observed).toEqual([
      'change answered',
      'change answered',
      'change unanswered: the Docker engine did not answer unpause_container within 2000 ms',
      'removal unanswered: socket hang up',
    ]);
  });

  it('end when their caller aborts, which says nothing about the engine', async () => {
    scripted.answers('GET /images/i/json', 'hangs');
    const gone = new AbortController();
    const asked = scripted.received('GET /images/i/json');
    const answer = engine.inspectImage('i', gone.signal);
    await asked;
    gone.abort();
    await expect(answer).rejects.toBeInstanceOf(CancelledError);
    expect(measured('docker_inspect_image')).toEqual(['canceled']);
    expect(observed).toEqual([]);
  });

  it('end when the engine is closed, and none are sent after that', async () => {
    scripted.answers('POST /images/create', 'hangs');
    const asked = scripted.received('POST /images/create');
    const pull = engine.pullImage(parseImageReference('i'), undefined, never);
    await asked;
    engine.close();
    await expect(pull).rejects.toBeInstanceOf(CancelledError);
    await expect(engine.version()).rejects.toBeInstanceOf(CancelledError);
  });
});
