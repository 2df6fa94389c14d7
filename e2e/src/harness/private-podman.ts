import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { end, testTool, until } from '@fnfleet/testing';
import Docker from 'dockerode';

/**
 * Podman gives every container 1048576 processes to start, which root without CAP_SYS_RESOURCE may not where its own
 * limit is lower: there it becomes the limit of containers too.
 */
const RUNTIME = `#!/bin/bash
limit=$(ulimit -Hu)
while [ "$limit" != unlimited ] && [ $# -gt 0 ]; do
  [ "$1" = --bundle ] && sed -i -E 's/("type":"RLIMIT_NPROC","hard":)[0-9]+,"soft":[0-9]+/\\1'"$limit"',"soft":'"$limit"'/' "$2/config.json"
  args+=("$1"); shift
done
exec runc "\${args[@]}" "$@"
`;

/** A Podman service, with root, that belongs to one test, with everything it has in one folder. It is not to
 * be asked for a network but `none`: others are the machine's. */
export class PrivatePodman {
  readonly docker: Docker;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'fnpm'));
  private readonly log = path.join(this.folder, 'log');
  private readonly service: ChildProcess;

  private constructor(podman: string, registry: string) {
    for (const name of ['iofs', 'tmp']) mkdirSync(this.path(name));
    writeFileSync(this.path('runtime'), RUNTIME);
    chmodSync(this.path('runtime'), 0o755);
    writeFileSync(this.path('conf'), this.configuration());
    writeFileSync(this.path('registries'), `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
    const log = openSync(this.log, 'a');
    this.service = spawn(
      podman,
      [
        ...['--log-level', 'warn', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
        ...['--root', this.path('root'), '--runroot', this.path('run'), '--tmpdir', this.path('tmp')],
        ...['--storage-driver', 'overlay', '--network-config-dir', this.path('networks')],
        ...['system', 'service', '--time=0', `unix://${this.path('sock')}`],
      ],
      { stdio: ['ignore', log, log], env: { ...process.env, ...this.environment } },
    );
    this.service.on('error', () => undefined); // it never answers, then
    this.docker = new Docker({ socketPath: this.path('sock') });
  }

  /** @param registry one without TLS, which Podman wants to be told of, also on the loopback address */
  static async start({ registry }: { registry: string }): Promise<PrivatePodman> {
    const podman = new PrivatePodman(await testTool('podman'), registry);
    try {
      await until({ what: 'an answer of Podman', look: () => podman.docker.ping().catch(() => undefined) });
    } catch (error) {
      const log = readFileSync(podman.log, 'utf8');
      await podman.close();
      throw new Error(`Podman did not start:\n${log}`, { cause: error });
    }
    return podman;
  }

  /** What a driver has to be told to use it. */
  get settings(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.path('sock')}`, FN_IOFS_PATH: this.path('iofs') };
  }

  /** Takes an image over from the Docker engine of the machine. */
  async copyImage(name: string): Promise<void> {
    const loading = await this.docker.loadImage(await new Docker().getImage(name).get());
    for await (const _ of loading);
    // What has no registry in its name is of `localhost` to Podman when it is loaded, and of docker.io when it is asked for.
    const [, repo = '', tag = ''] = name.match(/^(.+):([^:/]+)$/) ?? [];
    await this.docker.getImage(`localhost/${name}`).tag({ repo: `docker.io/${repo}`, tag });
  }

  /** Names of containers, in whatever state they are. */
  async containers(): Promise<string[]> {
    const all = await this.docker.listContainers({ all: true });
    return all.map(({ Names }) => Names[0]?.slice(1) ?? '').sort();
  }

  /** Removes everything. */
  async close(): Promise<void> {
    const left = await this.containers().catch(() => []);
    await Promise.all(
      left.map((name) =>
        this.docker
          .getContainer(name)
          .remove({ force: true })
          .catch(() => undefined),
      ),
    );
    await end(this.service, 'SIGTERM');
    for (const mount of this.mounts()) spawnSync('umount', ['--lazy', mount]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get environment(): NodeJS.ProcessEnv {
    return { CONTAINERS_CONF: this.path('conf'), CONTAINERS_REGISTRIES_CONF: this.path('registries') };
  }

  /** Beside other Podmans: locks of its own. Debian has no init for it but that of Docker, unless one is installed. */
  private configuration(): string {
    return [
      '[engine]',
      'lock_type = "file"',
      'init_path = "/usr/bin/docker-init"',
      'runtime = "limited"',
      '[engine.runtimes]',
      `limited = ["${this.path('runtime')}"]`,
      '',
    ].join('\n');
  }

  /** Deepest first. */
  private mounts(): string[] {
    const points = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    return points.filter((point) => point.startsWith(`${this.folder}/`)).reverse();
  }

  private path(...names: string[]): string {
    return path.join(this.folder, ...names);
  }
}
