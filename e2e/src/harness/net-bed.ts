import { run } from './run.js';

/** Interfaces may have 15 characters. */
const NAME = `fnt${process.pid}`;
/** Of the test itself, in every network. */
const OUTSIDE = 1;
const FIRST_HOST = 11;
/** An address that nobody here has; those of a bed differ by its process. */
const NETWORK = `10.213.${process.pid % 250}`;

/**
 * Hosts on one machine: each a network namespace with an address of its own, all on one bridge, which is in a namespace as
 * well, so that nothing of the machine's own rules and addresses takes part. The test reaches every host.
 */
export class NetBed {
  private readonly hosts: NetHost[] = [];
  private readonly bridgeHome = `${NAME}-br`;

  private constructor() {}

  /** @throws Error that says what is missing: it needs root and `ip` of iproute2 */
  static async create(): Promise<NetBed> {
    const bed = new NetBed();
    try {
      await ip('netns', 'add', bed.bridgeHome);
      await ip('-n', bed.bridgeHome, 'link', 'add', 'bridge', 'type', 'bridge');
      await ip('-n', bed.bridgeHome, 'link', 'set', 'bridge', 'up');
      await bed.plug(`${NAME}out`, 'outside');
      await ip('addr', 'add', `${NETWORK}.${OUTSIDE}/24`, 'dev', `${NAME}out`);
      await ip('link', 'set', `${NAME}out`, 'up');
      return bed;
    } catch (error) {
      await bed.remove();
      throw new Error('cannot make network namespaces: this needs root, and `ip` of iproute2', { cause: error });
    }
  }

  /** The test's own, as hosts reach it. */
  get outside(): string {
    return `${NETWORK}.${OUTSIDE}`;
  }

  /** Adds a host. */
  async host(name: string): Promise<NetHost> {
    const host = new NetHost(name, `${NAME}-${name}`, `${NETWORK}.${FIRST_HOST + this.hosts.length}`, this.bridgeHome);
    this.hosts.push(host);
    await ip('netns', 'add', host.namespace);
    await this.plug('eth0', name, host.namespace);
    await ip('-n', host.namespace, 'addr', 'add', `${host.address}/24`, 'dev', 'eth0');
    for (const link of ['lo', 'eth0']) await ip('-n', host.namespace, 'link', 'set', link, 'up');
    return host;
  }

  /** Takes everything away, whatever there is of it. Processes in there must have ended. */
  async remove(): Promise<void> {
    // At once: those in namespaces go some time after them.
    await ip('link', 'del', `${NAME}out`).catch(() => undefined);
    for (const namespace of [...this.hosts.map(({ namespace }) => namespace), this.bridgeHome]) {
      await ip('netns', 'del', namespace).catch(() => undefined);
    }
  }

  /** A cable between the bridge, port `port`, and an interface here or in a namespace. */
  private async plug(link: string, port: string, namespace?: string): Promise<void> {
    const end = ['netns', namespace ?? `${process.pid}`];
    await ip('-n', this.bridgeHome, 'link', 'add', port, 'type', 'veth', 'peer', 'name', link, ...end);
    await ip('-n', this.bridgeHome, 'link', 'set', port, 'master', 'bridge');
    await ip('-n', this.bridgeHome, 'link', 'set', port, 'up');
  }
}

/** One of them. */
export class NetHost {
  constructor(
    readonly name: string,
    readonly namespace: string,
    readonly address: string,
    private readonly bridgeHome: string,
  ) {}

  /** What a command is put behind to run on this host; the file system stays the machine's. */
  get within(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.namespace}`];
  }

  /** Its cable leads nowhere from now on. Neither end of any connection hears of that. */
  async cut(): Promise<void> {
    await ip('-n', this.bridgeHome, 'link', 'set', this.name, 'nomaster');
  }

  /** What it sends is lost from now on; what is sent to it arrives. */
  async mute(): Promise<void> {
    // A queue that no packet fits into.
    await this.queue('bfifo', 'limit', '1');
  }

  /** What it sends waits for its turn on a line of so many kilobits a second: 1000 bytes on 800 kbit/s take 10 ms. */
  async slow(kbit: number): Promise<void> {
    await this.queue('tbf', 'rate', `${kbit}kbit`, 'burst', '1600', 'latency', '10s');
  }

  /** All is as before. */
  async heal(): Promise<void> {
    await run('tc', ['-n', this.namespace, 'qdisc', 'del', 'dev', 'eth0', 'root']).catch(() => undefined);
    await ip('-n', this.bridgeHome, 'link', 'set', this.name, 'master', 'bridge');
  }

  private async queue(...kind: string[]): Promise<void> {
    await run('tc', ['-n', this.namespace, 'qdisc', 'replace', 'dev', 'eth0', 'root', ...kind]);
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
