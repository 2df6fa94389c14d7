import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { end, until } from '@fnfleet/testing';
import { fnfleet } from './command.js';
import { ROOT } from './paths.js';
import { run } from './run.js';

const SYSTEMD = path.join(ROOT, 'deploy/systemd');
const SCRIPT = path.join(ROOT, 'e2e/src/harness/systemd-host.sh');
/** What the units say; the engine has to know it by the same path, so it is this machine's. */
const RUN = '/run/fnfleet';
/** Of the machine's own, that would start with anything. */
const NOT_HERE = [
  ...['dbus.service', 'dbus.socket', 'docker.service', 'docker.socket', 'containerd.service', 'systemd-logind.service'],
  ...['systemd-udevd.service', 'systemd-journald.service', 'systemd-journald.socket'],
  ...['systemd-journald-dev-log.socket', 'systemd-journald-audit.socket'],
];

export interface SystemdHostOptions {
  readonly roles: readonly string[];
  /** Lines of the settings files that are to be others here, by the name of the setting. */
  readonly settings: (role: string) => Readonly<Record<string, string>>;
  readonly runners: readonly string[];
}

/**
 * A host with a real systemd, on which the units of deploy/systemd have been installed as their README says. It is a process of
 * this machine in namespaces of its own, so it needs root and a Linux.
 */
export class SystemdHost {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'e2e-host-'));
  private readonly group = `e2e-host-${process.pid}`;
  private unshare: ChildProcess | undefined;
  private said = '';

  private constructor(private readonly options: SystemdHostOptions) {
    if (process.getuid?.() !== 0) throw new Error('a systemd of one’s own needs root');
    if (existsSync(RUN)) throw new Error(`${RUN} is there already: a runner of this machine would be disturbed`);
  }

  /** Resolves when all services run. */
  static async boot(options: SystemdHostOptions): Promise<SystemdHost> {
    const host = new SystemdHost(options);
    try {
      await host.install();
      host.start();
      for (const role of options.roles) await host.active(role);
      return host;
    } catch (error) {
      const said = options.roles.map((role) => host.log(role)).join('\n');
      await host.close();
      throw new Error(`the host did not come up: ${host.said}\n${said}`, { cause: error });
    }
  }

  get certificates(): string {
    return path.join(this.folder, 'certs');
  }

  /** For commands that speak to the fleet. */
  get operatorEnv(): Readonly<Record<string, string>> {
    return {
      FN_TLS_CA: path.join(this.certificates, 'ca.crt'),
      FN_OPERATOR_TOKEN_FILE: path.join(this.certificates, 'operator.token'),
    };
  }

  /** What `systemctl` prints there. */
  async systemctl(...args: string[]): Promise<string> {
    const inside = ['--target', String(this.pid), '--mount', '--pid', '--ipc', '--uts', '--cgroup', '--root', '--wd'];
    return (await run('nsenter', [...inside, 'systemctl', ...args])).stdout.trim();
  }

  /** A property of a role's unit. */
  show(role: string, property: string): Promise<string> {
    return this.systemctl('show', '--value', '--property', property, `fnfleet-${role}`);
  }

  /** Waits until a role tells that it is ready, for the so many-th time. */
  async active(role: string, times = 1): Promise<void> {
    await until({
      what: `${role} that is ready`,
      look: () => this.log(role).split(/ INFO +ready /).length > times || undefined,
    });
  }

  /** What a role has printed. */
  log(role: string): string {
    const pid = this.unshare === undefined ? undefined : this.pid;
    const file = `/proc/${pid}/root/var/log/fnfleet-${role}.log`;
    return pid !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** What runners have left on this machine. */
  leftovers(): string[] {
    return readdirSync(RUN, { recursive: true })
      .map(String)
      .filter((name) => name !== 'iofs');
  }

  /** Ends it at once, with all that runs there. Idempotent. */
  async close(): Promise<void> {
    const { unshare } = this;
    this.unshare = undefined;
    // Its systemd goes with it.
    if (unshare !== undefined) await end(unshare, 'SIGKILL');
    for (const hierarchy of ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd'])
      await removeGroup(path.join(hierarchy, this.group));
    for (const folder of [path.join(RUN, 'iofs'), RUN]) if (existsSync(folder)) rmdirSync(folder);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The process that is number 1 there. */
  private get pid(): number | undefined {
    const { pid } = this.unshare ?? {};
    const children = pid === undefined ? '' : read(`/proc/${pid}/task/${pid}/children`);
    return Number(children.trim().split(' ')[0]) || undefined;
  }

  private async install(): Promise<void> {
    const { roles, settings, runners } = this.options;
    const { code, output } = await fnfleet([
      ...['certs', 'fleet', '--names', 'api,lb,runner', '--san', 'localhost,127.0.0.1', '--dir', this.certificates],
    ]);
    if (code !== 0) throw new Error(output);
    writeFileSync(path.join(this.certificates, 'operator.token'), 'of-this-host\n');
    const files = path.join(this.folder, 'files');
    await run(path.join(SYSTEMD, 'install.sh'), [this.certificates, ...roles], {
      env: { ...process.env, DESTDIR: files },
    });

    const units = path.join(files, 'etc/systemd/system');
    const wanted = path.join(units, 'multi-user.target.wants');
    mkdirSync(wanted);
    for (const unit of NOT_HERE) symlinkSync('/dev/null', path.join(units, unit));
    for (const role of roles) {
      symlinkSync(`../fnfleet-${role}.service`, path.join(wanted, `fnfleet-${role}.service`));
      // There is no journal.
      mkdirSync(path.join(units, `fnfleet-${role}.service.d`));
      const log = `[Service]\nStandardOutput=append:/var/log/fnfleet-${role}.log\nStandardError=inherit\n`;
      writeFileSync(path.join(units, `fnfleet-${role}.service.d/log.conf`), log);
      const file = path.join(files, `etc/fnfleet/${role}.env`);
      const own = Object.entries(settings(role)).map(([name, value]) => `${name}=${value}\n`);
      // The last one counts.
      writeFileSync(file, readFileSync(file, 'utf8') + own.join(''));
    }
    writeFileSync(path.join(files, 'etc/fnfleet/runners'), runners.map((runner) => `${runner}\n`).join(''));
    // The Node of these tests, wherever it is here.
    mkdirSync(path.join(files, 'usr/local/bin'), { recursive: true });
    symlinkSync(process.execPath.replace(ROOT, '/opt/fnfleet'), path.join(files, 'usr/local/bin/node'));
  }

  private start(): void {
    const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child'];
    const child = spawn(
      'unshare',
      [...namespaces, SCRIPT, this.folder, path.join(this.folder, 'files'), ROOT, this.group],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const output of [child.stdout, child.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        this.said += chunk;
      });
    }
    this.unshare = child;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** With those in it. What ran there ends a moment after it was killed. */
async function removeGroup(group: string): Promise<void> {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroup(path.join(group, entry.name));
  await until({
    what: `the end of ${group}`,
    look: () => {
      try {
        rmdirSync(group);
        return true;
      } catch {
        return undefined;
      }
    },
  });
}
