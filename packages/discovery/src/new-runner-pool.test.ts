import { readSettings } from '@fnfleet/core';
import { newRunnerPool, newStaticRunnerPool } from './new-runner-pool.js';
import { pools, StaticSource } from './pool-kinds.js';
import type { PoolFactory } from './pool-url.js';
import { discoverySettings } from './settings.js';

const createRunner = (address: string) => ({ address, close: async () => undefined });

/** The pool of an environment; closed after the test. */
async function poolOf(env: Record<string, string>, known = pools) {
  const pool = newRunnerPool({ settings: readSettings(discoverySettings, env), createRunner, pools: known });
  const status = pool.status();
  await pool.close();
  return status;
}

it('FN_RUNNER_ADDRESSES is a fixed list of runners', async () => {
  expect(await poolOf({ FN_RUNNER_ADDRESSES: 'b.example:9190, a:9190' })).toMatchObject({
    kind: 'static',
    source: 'static://b.example:9190,a:9190',
    addresses: ['b.example:9190', 'a:9190'],
  });
});

it('static:// is the same', async () => {
  expect(await poolOf({ FN_RUNNER_POOL: 'static://h1:9190,[::1]:9190' })).toMatchObject({
    kind: 'static',
    addresses: ['h1:9190', '[::1]:9190'],
  });
});

it.each`
  kind         | url
  ${'file'}    | ${'file:///etc/fnfleet/runners'}
  ${'file'}    | ${'file:///r'}
  ${'dns'}     | ${'dns://tasks.runner:9190?server=127.0.0.1:5353'}
  ${'dns'}     | ${'dns://tasks.runner:9190?server=[::1]:5353'}
  ${'dns'}     | ${'dns://tasks.runner:9190?server=[::1]'}
  ${'dns'}     | ${'dns://tasks.runner:9190'}
  ${'dns+srv'} | ${'dns+srv://_grpc._tcp.runner.example?server=127.0.0.1'}
  ${'etcd'}    | ${'etcd://127.0.0.1:1/fleet'}
`('$url is a pool of the kind $kind', async ({ kind, url }) => {
  expect(await poolOf({ FN_RUNNER_POOL: url })).toMatchObject({ kind, source: url, addresses: [] });
});

it.each`
  url                                        | message
  ${'h1:9190,h2:9190'}                       | ${'FN_RUNNER_POOL: it is not a URL such as dns://tasks.runner:9190'}
  ${'consul://h1'}                           | ${'FN_RUNNER_POOL: unknown runner pool "consul"; known: static, file, dns, dns+srv'}
  ${'static://'}                             | ${'FN_RUNNER_POOL: expected static://host:port,host:port'}
  ${'static://h1'}                           | ${'FN_RUNNER_POOL: runner "h1": the port is missing: expected host:port'}
  ${'static://h1:1,H1:1'}                    | ${'FN_RUNNER_POOL: runner H1:1 is listed twice'}
  ${'file://relative/path'}                  | ${'FN_RUNNER_POOL: expected file:///path, an absolute path'}
  ${'dns://tasks.runner'}                    | ${'FN_RUNNER_POOL: expected dns://name:port'}
  ${'dns://tasks.runner:http'}               | ${'FN_RUNNER_POOL: expected dns://name:port'}
  ${'dns://tasks.runner:1?sever=127.0.0.1'}  | ${'FN_RUNNER_POOL: unknown parameter "sever"; known: server'}
  ${'dns://tasks.runner:1?server=localhost'} | ${'FN_RUNNER_POOL: server: expected an IP address with or without a port, got "localhost"'}
  ${'dns://tasks.runner:0'}                  | ${'FN_RUNNER_POOL: expected dns://name:port'}
  ${'dns://tasks.runner:9190/path'}          | ${'FN_RUNNER_POOL: expected dns://name:port'}
  ${'dns://a:b:9190'}                        | ${'FN_RUNNER_POOL: expected dns://name:port'}
  ${'dns://h:1?server=1.2.3.4:0'}            | ${'FN_RUNNER_POOL: server: expected an IP address with or without a port, got "1.2.3.4:0"'}
  ${'dns://h:1?server=x[::1]'}               | ${'FN_RUNNER_POOL: server: expected an IP address'}
  ${'dns://h:1?server=1.2.3.4:53x'}          | ${'FN_RUNNER_POOL: server: expected an IP address'}
  ${'dns://h:1?server=[::1]:53:54'}          | ${'FN_RUNNER_POOL: server: expected an IP address'}
  ${'static://unix:/run/r.sock'}             | ${'FN_RUNNER_POOL: expected static://host:port,host:port'}
  ${'static://h1:1/path'}                    | ${'FN_RUNNER_POOL: expected static://host:port,host:port'}
  ${'static://h1:1?x=1'}                     | ${'FN_RUNNER_POOL: unknown parameter "x"; static:// has none'}
  ${'file:///'}                              | ${'FN_RUNNER_POOL: expected file:///path, an absolute path'}
  ${'file:///a?x=1'}                         | ${'FN_RUNNER_POOL: unknown parameter "x"; file:// has none'}
  ${'dns+srv://_grpc._tcp.runner/x'}         | ${'FN_RUNNER_POOL: expected dns+srv://_service._proto.name, without a port'}
  ${'dns+srv://'}                            | ${'FN_RUNNER_POOL: expected dns+srv://_service._proto.name, without a port'}
  ${'dns+srv://_grpc._tcp.runner:9190'}      | ${'FN_RUNNER_POOL: expected dns+srv://_service._proto.name, without a port'}
  ${'file:///a%zz'}                          | ${'FN_RUNNER_POOL: a % in it is not followed by two hexadecimal digits'}
`('$url is rejected: $message', async ({ url, message }) => {
  await expect(poolOf({ FN_RUNNER_POOL: url })).rejects.toThrow(message);
});

it('FN_RUNNER_ADDRESSES may list unix sockets of this machine', async () => {
  expect(await poolOf({ FN_RUNNER_ADDRESSES: 'unix:/run/r1.sock, h1:9190' })).toMatchObject({
    kind: 'static',
    addresses: ['unix:/run/r1.sock', 'h1:9190'],
    refused: [],
  });
});

it('a source that others write cannot make a balancer connect to a unix socket', async () => {
  const source: PoolFactory = {
    name: 'others',
    form: 'others://',
    doc: 'a list that others write',
    create: () => new StaticSource(['h1:9190', 'unix:/run/docker.sock']),
  };
  expect(await poolOf({ FN_RUNNER_POOL: 'others://' }, pools.with(source))).toMatchObject({
    addresses: ['h1:9190'],
    refused: [{ address: 'unix:/run/docker.sock', reason: expect.stringContaining('only FN_RUNNER_ADDRESSES') }],
  });
});

it('a wrong address in FN_RUNNER_ADDRESSES keeps the process from starting', async () => {
  await expect(poolOf({ FN_RUNNER_ADDRESSES: 'h1:9190,h2' })).rejects.toThrow(
    'FN_RUNNER_ADDRESSES: runner "h2": the port is missing: expected host:port',
  );
});

it('exactly one of FN_RUNNER_ADDRESSES and FN_RUNNER_POOL must be given', async () => {
  await expect(poolOf({})).rejects.toThrow(/^FN_RUNNER_ADDRESSES: required, or FN_RUNNER_POOL in its place$/);
  const both = { FN_RUNNER_ADDRESSES: 'h1:9190', FN_RUNNER_POOL: 'static://h1:9190' };
  await expect(poolOf(both)).rejects.toThrow('FN_RUNNER_ADDRESSES, FN_RUNNER_POOL: only one of them may be set');
  for (const settings of [{}, { runnerAddresses: ['h1:1'], runnerPool: 'static://h1:1' }]) {
    expect(() => newRunnerPool({ settings, createRunner })).toThrow('FN_RUNNER_ADDRESSES');
  }
});

it('an embedder can add a kind of pool', async () => {
  const phoneBook: PoolFactory = {
    name: 'phone-book',
    form: 'phone-book://page',
    doc: 'a page of the phone book',
    create: (url) => new StaticSource([`${url.authority}.example:9190`]),
  };
  expect(await poolOf({ FN_RUNNER_POOL: 'phone-book://7' }, pools.with(phoneBook))).toMatchObject({
    kind: 'phone-book',
    addresses: ['7.example:9190'],
  });
});

describe('a static pool', () => {
  const create = (address: string) => ({ address, close: async () => undefined });

  it('keeps the order of the addresses and trims them', async () => {
    const pool = newStaticRunnerPool([' b:9190', 'a:9190 '], create);
    const { runners } = pool.runners();
    expect(runners.map((runner) => runner.address)).toEqual(['b:9190', 'a:9190']);
  });

  it('rejects an address that is listed twice', () => {
    expect(() => newStaticRunnerPool(['a:9190', ' a:9190'], create)).toThrow('runner a:9190 is listed twice');
  });

  it('closes all its runners, once', async () => {
    const closes: string[] = [];
    const pool = newStaticRunnerPool(['a:9190', 'b:9190'], (address) => ({
      address,
      close: async () => void closes.push(address),
    }));
    await Promise.all([pool.close(), pool.close()]);
    expect(closes).toEqual(['a:9190', 'b:9190']);
  });
});
