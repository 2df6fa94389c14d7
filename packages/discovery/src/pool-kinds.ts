import { isIP } from 'node:net';
import { Registry } from '@fnfleet/core';
import { newDnsSource } from './dns-source.js';
import { newEtcdSource } from './etcd/etcd-source.js';
import { ETCD_FORM, parseEtcdUrl } from './etcd/etcd-url.js';
import { FileSource } from './file-source.js';
import { newKubernetesSource } from './kubernetes/kubernetes-source.js';
import { KUBERNETES_FORM, parseKubernetesUrl } from './kubernetes/kubernetes-url.js';
import type { MembershipListener, MembershipSource } from './membership.js';
import { checkParams, type PoolFactory, type PoolUrl } from './pool-url.js';
import { checkAddresses, isPort } from './runner-address.js';

const staticPool: PoolFactory = {
  name: 'static',
  form: 'static://host:port,host:port',
  doc: 'the same as FN_RUNNER_ADDRESSES',
  create(url) {
    checkParams(url, []);
    const addresses = url.authority.split(',').filter((address) => address !== '');
    if (addresses.length === 0 || url.path !== '') throw new Error(`expected ${this.form}`);
    return new StaticSource(checkAddresses(addresses));
  },
};

/** Reports the addresses once. */
export class StaticSource implements MembershipSource {
  constructor(private readonly addresses: readonly string[]) {}

  start(listener: MembershipListener): void {
    listener.onMembers(this.addresses);
  }

  async close(): Promise<void> {}
}

const filePool: PoolFactory = {
  name: 'file',
  form: 'file:///path',
  doc: 'a watched file with one host:port per line',
  create(url, deps) {
    checkParams(url, []);
    if (url.authority !== '' || url.path.length < 2) throw new Error(`expected ${this.form}, an absolute path`);
    return new FileSource(url.path, deps);
  },
};

const dnsPool: PoolFactory = {
  name: 'dns',
  form: 'dns://name:port',
  doc: 'every A and AAAA record of a name',
  create(url, deps) {
    const server = dnsServer(url);
    const [, name, port] = /^([^:]+):(\d+)$/.exec(url.authority) ?? [];
    if (name === undefined || port === undefined || !isPort(port) || url.path !== '') {
      throw new Error(`expected ${this.form}`);
    }
    return newDnsSource({ name, port: Number(port), server }, deps);
  },
};

const dnsSrvPool: PoolFactory = {
  name: 'dns+srv',
  form: 'dns+srv://_service._proto.name',
  doc: 'every address of the targets of SRV records, which also give the port',
  create(url, deps) {
    const server = dnsServer(url);
    if (!/^[^:]+$/.test(url.authority) || url.path !== '') {
      throw new Error(`expected ${this.form}, without a port`);
    }
    return newDnsSource({ name: url.authority, port: undefined, server }, deps);
  },
};

const etcdPool: PoolFactory = {
  name: 'etcd',
  form: ETCD_FORM,
  doc: 'the runners that register themselves there (FN_REGISTER)',
  create: (url, deps) => newEtcdSource(parseEtcdUrl(url), deps),
};

const kubernetesPool: PoolFactory = {
  name: 'k8s',
  form: KUBERNETES_FORM,
  doc: 'the ready endpoints of a Kubernetes service',
  create: (url, deps) => newKubernetesSource(parseKubernetesUrl(url, deps.kubernetes), deps),
};

/** Values of `FN_RUNNER_POOL`. */
export const pools = new Registry<PoolFactory>('FN_RUNNER_POOL', 'runner pool', [
  staticPool,
  filePool,
  dnsPool,
  dnsSrvPool,
  etcdPool,
  kubernetesPool,
]);

/** The parameter `server` of a DNS URL, the only one allowed. */
function dnsServer(url: PoolUrl): string | undefined {
  checkParams(url, ['server']);
  const server = url.params.get('server');
  if (server === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? [];
  if (isIP(bracketed ?? plain ?? '') === 0 || (port !== undefined && !isPort(port))) {
    throw new Error(`server: expected an IP address with or without a port, got ${JSON.stringify(server)}`);
  }
  return server;
}
