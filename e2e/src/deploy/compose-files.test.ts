// needs: nothing
import { composeEnvironments, composeFiles, rolesOf } from './compose-files.js';
import { problemsOf } from './role-environment.js';

it.each(composeEnvironments().map((found) => [found.where, found] as const))(
  '%s: settings that its role takes',
  (_, found) => {
    expect(problemsOf(found)).toEqual([]);
  },
);

describe.each(composeFiles().map((file) => [file.where, file] as const))('%s', (_, file) => {
  const roles = rolesOf(file.services);

  it('has each role, of one image', () => {
    expect(roles.map(([, { environment }]) => environment?.FN_NODE_TYPE).sort()).toEqual(['api', 'lb', 'pure-runner']);
    expect(new Set(roles.map(([, { image }]) => image))).toEqual(new Set(['fnfleet/fnfleet:latest']));
  });

  it('names only secrets and volumes that it declares', () => {
    const secrets = Object.values(file.services).flatMap((service) => service.secrets ?? []);
    expect(secrets.map(({ source }) => source).filter((name) => !Object.hasOwn(file.secrets, name))).toEqual([]);
    const volumes = Object.values(file.services).flatMap((service) =>
      (service.volumes ?? []).map(
        (volume) => (typeof volume === 'string' ? volume.split(':')[0] : volume.source) ?? '',
      ),
    );
    const named = volumes.filter((name) => /^\w/.test(name));
    expect(named.filter((name) => !Object.hasOwn(file.volumes, name))).toEqual([]);
  });

  it('mounts every file that a setting names', () => {
    for (const [name, { environment = {}, secrets = [] }] of roles) {
      const mounted = secrets.map(({ target }) => `/run/secrets/${target}`);
      const named = Object.values(environment).filter((value) => String(value).startsWith('/run/secrets/'));
      // A runner has no operator token.
      const expected = environment.FN_NODE_TYPE === 'pure-runner' ? 3 : 4;
      expect([name, named.length, named.filter((file) => !mounted.includes(String(file)))]).toEqual([
        name,
        expected,
        [],
      ]);
      expect([name, mounted.length]).toEqual([name, expected]);
    }
  });

  it('gives each role more time to end than it takes to drain', () => {
    for (const [name, { environment, stop_grace_period = '' }] of roles) {
      expect([name, Number.parseInt(stop_grace_period, 10) * 1000 > Number(environment?.FN_DRAIN_GRACE_MSECS)]).toEqual(
        [name, true],
      );
    }
  });

  it('publishes the port that a role listens on, and none of a runner', () => {
    for (const [, { environment, ports = [] }] of roles) {
      const targets = ports.map((port) => (typeof port === 'string' ? port.split(':').at(-1) : String(port.target)));
      expect(targets).toEqual(environment?.FN_NODE_TYPE === 'pure-runner' ? [] : ['8080']);
    }
  });

  it('has the balancer look where the others are', () => {
    const { lb } = file.services;
    const pool = new URL(String(lb?.environment?.FN_RUNNER_POOL));
    // A Swarm has a name for the tasks of a service.
    expect([pool.protocol, pool.hostname.replace(/^tasks\./, ''), pool.port]).toEqual(['dns:', 'runner', '9190']);
    const api = new URL(String(lb?.environment?.FN_RUNNER_API_URL));
    expect([Object.hasOwn(file.services, api.hostname), api.port]).toEqual([true, '8080']);
  });
});
