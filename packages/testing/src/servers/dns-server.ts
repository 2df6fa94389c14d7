import { promises as dns } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../waiting.js';
import { freePort } from './free-ports.js';
import { TestProgram, testTool } from './test-program.js';

export interface DnsServerOptions {
  /** `name,target,port,priority` each; names end in `.test`. They last as long as the server. */
  readonly services?: readonly string[];
  /** The address it listens on. Default 127.0.0.1. */
  readonly host?: string;
  /** The TTL of every answer, seconds. */
  readonly ttl?: number;
}

/** A real DNS server (dnsmasq) for the domain `test`. */
export class DnsServer {
  private constructor(
    private readonly program: TestProgram,
    private readonly folder: string,
    /** `address:port` */
    readonly address: string,
  ) {}

  static async start({ services = [], host = '127.0.0.1', ttl = 0 }: DnsServerOptions = {}): Promise<DnsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'fndns'));
    await writeFile(join(folder, 'hosts'), PROBE);
    const port = await freePort();
    const address = `${host}:${port}`;
    const args = [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=',
      '--no-resolv',
      '--no-hosts',
      `--addn-hosts=${join(folder, 'hosts')}`,
      '--local=/test/',
      `--local-ttl=${ttl}`,
      `--listen-address=${host}`,
      '--bind-interfaces',
      `--port=${port}`,
      ...services.map((service) => `--srv-host=${service}`),
    ];
    const ready = () => eventually(() => knows(address, '192.0.2.1'));
    return new DnsServer(await TestProgram.start(await testTool('dnsmasq'), args, ready), folder, address);
  }

  private serial = 1;

  /** Replaces all hosts: name → addresses. */
  async serves(hosts: Readonly<Record<string, readonly string[]>>): Promise<void> {
    this.serial += 1;
    const lines = Object.entries(hosts).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}`),
    );
    const mark = `192.0.2.${this.serial}`;
    await writeFile(join(this.folder, 'hosts'), [`${mark} probe.test`, ...lines, ''].join('\n'));
    this.program.signal('SIGHUP');
    await eventually(() => knows(this.address, mark));
  }

  freeze(): void {
    this.program.freeze();
  }

  thaw(): void {
    this.program.thaw();
  }

  async close(): Promise<void> {
    await this.program.kill();
    await rm(this.folder, { recursive: true });
  }
}

const PROBE = '192.0.2.1 probe.test\n';

/** Resolves when the server has read the hosts file in which the probe has this address. */
async function knows(server: string, address: string): Promise<void> {
  const resolver = new dns.Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([server]);
  const found = await resolver.resolve4('probe.test');
  if (!found.includes(address)) throw new Error(`the DNS server says ${found}, not ${address}`);
}
