import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, IdGenerator } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver } from '../driver.js';
import { callFunction } from './test-functions.js';

/** A driver and what the suite needs to know about it. */
export interface DriverSetup {
  readonly driver: Driver;
  /** The image of the probe, or of something that understands `PROBE_SOCKET`, `exitCode`, `stdout` and `stderr`. */
  readonly image: string;
  /** Makes a container exit with code 3 before it listens. */
  readonly exits: Partial<Pick<ContainerSpec, 'image' | 'env'>>;
  /** Names of everything that was created for this app and still exists, found without the driver. */
  leftovers(appId: string, iofsPath: string): Promise<readonly string[]>;
}

const never = new AbortController().signal;
const ids = new IdGenerator();

export function aSpec(overrides: Partial<ContainerSpec>): ContainerSpec {
  return {
    id: ids.next(),
    image: 'none',
    memoryMb: 128,
    tmpfsMb: 0,
    cpuMillis: 0,
    appId: 'app',
    fnId: 'fn',
    syslogUrl: '',
    networkDisabled: false,
    extensions: {},
    ...overrides,
    env: { FN_FORMAT: 'http-stream', FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock', ...overrides.env },
  };
}

/** The behaviour that the agent requires of every driver. */
export function describeDriver(name: string, setUp: (iofsPath: string) => Promise<DriverSetup>): void {
  describe(`the ${name} driver`, () => {
    let setup: DriverSetup;
    let iofsPath: string;
    let appId: string;

    beforeEach(async () => {
      iofsPath = await mkdtemp(join(tmpdir(), 'fnd'));
      appId = ids.next();
      setup = await setUp(iofsPath);
      await setup.driver.ready;
    });

    afterEach(async () => {
      await setup.driver.close();
      expect(await setup.leftovers(appId, iofsPath)).toEqual([]);
      expect(await readdir(iofsPath)).toEqual([]);
      await rm(iofsPath, { recursive: true });
    });

    function spec(overrides: Partial<ContainerSpec> = {}): ContainerSpec {
      return aSpec({ image: setup.image, appId, ...overrides });
    }

    async function started(overrides: Partial<ContainerSpec> = {}): Promise<Container> {
      const wanted = spec(overrides);
      await setup.driver.prepareImage(wanted, never);
      const container = await setup.driver.create(wanted, never);
      await container.start(never);
      return container;
    }

    async function listening(overrides: Partial<ContainerSpec> = {}): Promise<Container> {
      const container = await started(overrides);
      await container.listening(never);
      return container;
    }

    it('runs a function from create to close', async () => {
      const container = await listening();
      expect((await callFunction(container.socketPath)).status).toBe(200);
      expect((await callFunction(container.socketPath)).status).toBe(200);
      await container.close();
      await expect(callFunction(container.socketPath)).rejects.toThrow();
    });

    it('reports that an image cannot be pulled', async () => {
      await expect(setup.driver.prepareImage(spec({ image: '127.0.0.1:9/no/such:1' }), never)).rejects.toMatchObject({
        code: 'imagePullFailed',
        message: expect.stringContaining("Failed to pull image '127.0.0.1:9/no/such:1': "),
      });
    });

    it('agent-and-docker 28, 29: accepts a socket, a renamed socket, and a link to a socket in the same directory', async () => {
      const offers = ['direct', 'renamed', 'socket', 'dot'];
      const containers = await Promise.all(offers.map((kind) => listening({ env: { PROBE_SOCKET: kind } })));
      const answers = await Promise.all(containers.map(({ socketPath }) => callFunction(socketPath)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    });

    it('agent-and-docker 28: rejects what is not a socket, and links that lead, or may lead, elsewhere', async () => {
      const findings = {
        file: 'listener file is not a socket',
        directory: 'listener file is not a socket',
        dangling: expect.stringContaining('unable to stat unix socket file'),
        absolute: expect.stringContaining('invalid unix socket symlink'),
        parent: expect.stringContaining('invalid unix socket symlink'),
        chain: expect.stringContaining('invalid unix socket symlink'),
      };
      const refusals = Object.keys(findings).map(async (kind) => {
        const container = await started({ env: { PROBE_SOCKET: kind } });
        const refusal = await container.listening(never).catch((error) => error);
        expect(refusal).toMatchObject({ name: 'FnError', code: 'containerInitFailed' });
        return [kind, refusal.cause.message];
      });
      expect(Object.fromEntries(await Promise.all(refusals))).toEqual(findings);
    });

    it('agent-and-docker 29: ignores files of other names and keeps waiting', async () => {
      const container = await started({ env: { PROBE_SOCKET: 'other' } });
      await expect(container.listening(AbortSignal.timeout(700))).rejects.toBeInstanceOf(CancelledError);
    });

    it('agent-and-docker 26: reports an exit before there is a socket', async () => {
      const container = await started(setup.exits);
      expect(await container.wait()).toEqual({ exitCode: 3, outOfMemory: false });
    });

    it('reports an exit in the middle of a call', async () => {
      const container = await listening();
      const ended = container.wait();
      await expect(callFunction(container.socketPath, { exitCode: 7 })).rejects.toThrow();
      expect(await ended).toEqual({ exitCode: 7, outOfMemory: false });
    });

    it('passes on both outputs of a function, to their end', async () => {
      const printed = { stdout: '', stderr: '' };
      const container = await listening({
        output: (chunk, source) => {
          printed[source] += chunk;
        },
      });
      await callFunction(container.socketPath, { stdout: ['one', 'two'], stderr: ['uh'] });
      const ended = container.wait();
      await expect(callFunction(container.socketPath, { stderr: ['oh'], exitCode: 1 })).rejects.toThrow();
      await ended;
      await container.close();
      expect(printed).toEqual({ stdout: 'one\ntwo\n', stderr: 'uh\noh\n' });
    });

    it('stops a paused function until it is resumed', async () => {
      const container = await listening();
      await container.pause();
      let answered = false;
      const answer = callFunction(container.socketPath).finally(() => {
        answered = true;
      });
      await sleep(200);
      expect(answered).toBe(false);
      await container.resume();
      expect((await answer).status).toBe(200);
    });

    it('closes a paused container', async () => {
      const container = await listening();
      await container.pause();
      await container.close();
      expect((await container.wait()).exitCode).toBe(137);
    });

    it('closes once, however often close is called, and in any state', async () => {
      const fresh = await setup.driver.create(spec(), never);
      const ended = await started(setup.exits);
      const busy = await listening();
      await ended.wait();
      const cutOff = expect(callFunction(busy.socketPath, { sleepMs: 60_000 })).rejects.toThrow();
      await Promise.all([fresh, ended, busy].flatMap((container) => [container.close(), container.close()]));
      await busy.close();
      await cutOff;
      expect((await fresh.wait()).exitCode).toBe(137);
    });

    it('ends the wait for the socket when it is closed', async () => {
      const container = await started({ env: { PROBE_SOCKET: 'none' } });
      const waiting = container.listening(never).catch((error) => error);
      await container.close();
      expect(await waiting).toBeInstanceOf(CancelledError);
    });

    it('does nothing for a caller that has aborted', async () => {
      const gone = AbortSignal.abort();
      const container = await setup.driver.create(spec(), never);
      await expect(setup.driver.prepareImage(spec(), gone)).rejects.toBeInstanceOf(CancelledError);
      await expect(setup.driver.create(spec(), gone)).rejects.toBeInstanceOf(CancelledError);
      await expect(container.start(gone)).rejects.toBeInstanceOf(CancelledError);
      await expect(container.listening(gone)).rejects.toBeInstanceOf(CancelledError);
    });

    it('leaves nothing behind when a caller aborts in the middle of a step', async () => {
      for (const delayMs of [0, 5, 20, 50]) {
        const wanted = spec();
        const container = await setup.driver.create(wanted, AbortSignal.timeout(delayMs)).catch(() => undefined);
        await container?.start(AbortSignal.timeout(delayMs)).catch(() => undefined);
        await container?.listening(AbortSignal.timeout(delayMs)).catch(() => undefined);
        await container?.close();
      }
    });

    it('closes its containers when it is closed, and creates no more', async () => {
      await setup.driver.create(spec(), never);
      await started();
      await listening();
      await setup.driver.close();
      expect(await setup.leftovers(appId, iofsPath)).toEqual([]);
      await expect(setup.driver.create(spec(), never)).rejects.toThrow('closed');
    });
  });
}
