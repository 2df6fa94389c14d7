// needs: etcd
import { PassThrough } from 'node:stream';
import { createLogger, systemClock } from '@fnfleet/core';
import { EtcdServer, eventually } from '@fnfleet/testing';
import { newRegistration, type Registration } from './registration.js';

const port = () => 9190;
const register = 'etcd://h1';

it('does not happen unless configured', () => {
  expect(newRegistration({ settings: { advertiseAddress: 'h1:9190' }, port })).toBeUndefined();
});

it.each`
  settings                                                        | message
  ${{ register }}                                                 | ${'FN_ADVERTISE_ADDRESS: required with FN_REGISTER'}
  ${{ register, advertiseAddress: 'http://h1:9190' }}             | ${'FN_ADVERTISE_ADDRESS: expected host:port, got "http://h1:9190"'}
  ${{ register, advertiseAddress: 'h1:' }}                        | ${'FN_ADVERTISE_ADDRESS: expected host:port, got "h1:": the port is not a number'}
  ${{ register: 'zk://h1', advertiseAddress: 'h1' }}              | ${'FN_REGISTER: unknown scheme "zk"; known: etcd'}
  ${{ register: 'h1:2379', advertiseAddress: 'h1' }}              | ${'FN_REGISTER: it is not a URL'}
  ${{ register: 'etcd://h1?ttl=1', advertiseAddress: 'h1' }}      | ${'FN_REGISTER: ttl: expected whole seconds from 2 to 3600, got "1"'}
  ${{ register: 'etcd://h1?tls=yes', advertiseAddress: 'h1' }}    | ${'FN_REGISTER: tls: expected true or false, got "yes"'}
  ${{ register: 'etcd://h1?cert=/c', advertiseAddress: 'h1' }}    | ${'FN_REGISTER: cert and key must be given together'}
  ${{ register: 'etcd://h1,,h2', advertiseAddress: 'h1' }}        | ${'FN_REGISTER: "": "" is not a host; expected etcd://host:port,host:port/prefix'}
  ${{ register: 'etcd://h1/a?prefix=b', advertiseAddress: 'h1' }} | ${'FN_REGISTER: unknown parameter "prefix"; known: tls, ca, cert, key, ttl'}
`('$settings is rejected: $message', ({ settings, message }) => {
  expect(() => newRegistration({ settings, port })).toThrow(message);
});

it.each(['1', '3601', '2.5', '-5', '5s', '5 ', '0x5', ''])('a ttl of %j is rejected', (ttl) => {
  const settings = { register: `etcd://h1?ttl=${ttl}`, advertiseAddress: 'h1' };
  const message = `FN_REGISTER: ttl: expected whole seconds from 2 to 3600, got ${JSON.stringify(ttl)}`;
  expect(() => newRegistration({ settings, port })).toThrow(message);
});

it.each(['2', '10', '3600'])('a ttl of %s seconds is accepted', (ttl) => {
  const settings = { register: `etcd://h1?ttl=${ttl}`, advertiseAddress: 'h1' };
  expect(newRegistration({ settings, port })).toBeDefined();
});

describe('with an etcd', () => {
  let etcd: EtcdServer;
  let registration: Registration | undefined;
  beforeAll(async () => {
    etcd = await EtcdServer.start();
  });
  afterAll(() => etcd.close());

  const keys = async () => Object.keys(await etcd.read('/fnfleet/runners/'));

  it.each`
    advertised   | address
    ${'h1:7'}    | ${'h1:7'}
    ${'h1'}      | ${'h1:9190'}
    ${'::1'}     | ${'[::1]:9190'}
    ${'[::1]'}   | ${'[::1]:9190'}
    ${'[::1]:7'} | ${'[::1]:7'}
  `('$advertised is registered as $address, and removed by a drain', async ({ advertised, address }) => {
    registration = newRegistration({
      settings: { register: `etcd://${etcd.address}`, advertiseAddress: advertised },
      port,
    });
    registration?.start();
    await eventually(async () => expect(await keys()).toEqual([`/fnfleet/runners/${address}`]));
    expect(await registration?.drain({ graceMs: 0 })).toBe('drained');
    expect(await keys()).toEqual([]);
    await registration?.close();
  });

  it('does not start after it was closed', async () => {
    registration = newRegistration({ settings: { register: `etcd://${etcd.address}`, advertiseAddress: 'h1' }, port });
    await registration?.close();
    registration?.start();
    expect(await keys()).toEqual([]);
  });

  it('is removed by suspend, and restored by resume', async () => {
    registration = newRegistration({ settings: { register: `etcd://${etcd.address}`, advertiseAddress: 'h1' }, port });
    await registration?.suspend();
    registration?.start();
    await registration?.suspend();
    expect(await keys()).toEqual([]);
    registration?.resume();
    await eventually(async () => expect(await keys()).toEqual(['/fnfleet/runners/h1:9190']));
    await registration?.suspend();
    expect(await keys()).toEqual([]);
    registration?.resume();
    await eventually(async () => expect(await keys()).toEqual(['/fnfleet/runners/h1:9190']));
    await registration?.close();
    registration?.resume();
    expect(await keys()).toEqual([]);
  });

  it('two runners with one address: the first logs it, once, and lives on', async () => {
    const lines: string[] = [];
    const stream = new PassThrough().on('data', (line) => lines.push(String(line)));
    const logger = createLogger({ level: 'error', format: 'text', stream });
    const settings = { register: `etcd://${etcd.address}?ttl=2`, advertiseAddress: 'h1' };
    registration = newRegistration({ settings, port, logger });
    registration?.start();
    await eventually(async () => expect(await keys()).toEqual(['/fnfleet/runners/h1:9190']));
    const second = newRegistration({ settings, port });
    second?.start();
    try {
      await eventually(async () => expect(lines).toHaveLength(1));
      expect(lines[0]).toMatch(/another runner has registered the same address.*FN_ADVERTISE_ADDRESS/);
      await systemClock.sleep(1_500);
      expect(lines).toHaveLength(1);
    } finally {
      await second?.close();
      await registration?.close();
    }
  });
});
