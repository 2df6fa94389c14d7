import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createInterface } from 'node:readline';
import { json, text } from 'node:stream/consumers';
import { type Clock, observe } from '@fnfleet/core';
import Docker from 'dockerode';
import { untilAborted } from '../cancellation.js';
import type { EngineAddress } from './engine-address.js';
import { EngineError, EngineTimeoutError, isNotFound } from './engine-errors.js';
import { type ImageReference, pullName } from './image-reference.js';

export interface EngineOptions {
  readonly address: EngineAddress;
  /** The longest that one call may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface ImageFacts {
  readonly Config?: { readonly Volumes?: Readonly<Record<string, unknown>> | null } | null;
}

/** The output of a container as it comes: frames, each with a head that says which output it is from. */
export interface Attachment {
  readonly frames: AsyncIterable<Buffer>;
  /** Ends `frames`. Idempotent. */
  stop(): void;
}

export interface ExitWatch {
  /** Rejects when the connection to the engine is lost, or after `stop`. */
  readonly exitCode: Promise<number>;
  stop(): void;
}

/**
 * The calls that the driver makes to the Docker engine. Each ends within a deadline, since a daemon may accept a call and
 * never answer it.
 *
 * @throws EngineError what the engine answered, EngineTimeoutError, CancelledError on abort; else the network's error
 */
export class Engine {
  private readonly docker: Docker;
  private readonly timeoutMs: number;
  private readonly clock: Clock;

  constructor({ address, timeoutMs, clock }: EngineOptions) {
    // A connection for each call: one kept from before a restart of the daemon would fail the next call.
    const agent = address.options.protocol === 'https' ? new HttpsAgent() : new HttpAgent();
    const options = { ...address.options, agent };
    this.docker = new Docker(options);
    this.timeoutMs = timeoutMs;
    this.clock = clock;
  }

  ping(): Promise<unknown> {
    return this.call('ping', async (signal) => text(await this.open('GET', '/_ping', signal)));
  }

  async version(): Promise<string> {
    return (await this.look<{ Version: string }>('version', '/version')).Version;
  }

  /** What memory limits the engine takes. */
  async memoryFeatures(): Promise<{ cgroupVersion: string; kernelMemory: boolean }> {
    const info = await this.look<{ CgroupVersion?: string; KernelMemory?: boolean }>('info', '/info');
    return { cgroupVersion: info.CgroupVersion ?? '1', kernelMemory: info.KernelMemory ?? false };
  }

  /** Undefined when the engine has no such image. */
  async inspectImage(name: string, signal: AbortSignal): Promise<ImageFacts | undefined> {
    try {
      return await this.look<ImageFacts>('inspect_image', `/images/${encodeURI(name)}/json`, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Has no deadline but the caller's. */
  async pullImage(reference: ImageReference, signal: AbortSignal): Promise<void> {
    const options = { fromImage: pullName(reference), tag: reference.tag, abortSignal: signal };
    await untilAborted(
      this.timed('pull_image', () => this.pull(options)),
      signal,
    );
  }

  async createContainer(request: Docker.ContainerCreateOptions): Promise<string> {
    return (await this.call('create', (abortSignal) => this.docker.createContainer({ ...request, abortSignal }))).id;
  }

  async startContainer(id: string): Promise<void> {
    await this.call('start', (abortSignal) => this.docker.getContainer(id).start({ abortSignal }));
  }

  async pauseContainer(id: string): Promise<void> {
    await this.call('pause', (abortSignal) => this.docker.getContainer(id).pause({ abortSignal }));
  }

  async resumeContainer(id: string): Promise<void> {
    await this.call('unpause', (abortSignal) => this.docker.getContainer(id).unpause({ abortSignal }));
  }

  /** Kills and removes, with anonymous volumes. */
  async removeContainer(id: string): Promise<void> {
    await this.call('remove', (abortSignal) =>
      this.docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
    );
  }

  async wasOutOfMemory(id: string): Promise<boolean> {
    const { State } = await this.call('inspect', (abortSignal) =>
      this.docker.getContainer(id).inspect({ abortSignal }),
    );
    return State.OOMKilled;
  }

  /** Running or not. */
  listContainers(label: string): Promise<Docker.ContainerInfo[]> {
    return this.call('list', (abortSignal) =>
      this.docker.listContainers({ all: true, filters: { label: [label] }, abortSignal }),
    );
  }

  /**
   * Resolves once the engine keeps watch, so that no exit after that goes unseen.
   * @param condition `next-exit` before the start; `not-running` when the container may have ended already
   */
  async watchExit(id: string, condition: 'next-exit' | 'not-running'): Promise<ExitWatch> {
    const life = new AbortController();
    const path = `/containers/${encodeURIComponent(id)}/wait?`;
    try {
      const response = await this.call('wait', () => this.open('POST', path, life.signal, { condition }));
      const exitCode = json(response).then((answer) => (answer as { StatusCode: number }).StatusCode);
      // Nobody asks for it after stop().
      exitCode.catch(() => undefined);
      return { exitCode, stop: () => life.abort() };
    } catch (error) {
      life.abort();
      throw error;
    }
  }

  /** Resolves once everything that the container prints from now on will be in the frames. */
  async attachOutput(id: string): Promise<Attachment> {
    const life = new AbortController();
    const path = `/containers/${encodeURIComponent(id)}/attach?`;
    const query = { stream: true, stdout: true, stderr: true };
    try {
      const frames = await this.call('attach', () => this.open('POST', path, life.signal, query));
      return { frames, stop: () => life.abort() };
    } catch (error) {
      life.abort();
      throw error;
    }
  }

  private async pull(options: { fromImage: string; tag: string; abortSignal: AbortSignal }): Promise<void> {
    const progress = (await this.docker.createImage(options)) as IncomingMessage;
    // The head of the answer was good; a pull that fails after that says so in a line of its progress.
    let failure: string | undefined;
    try {
      for await (const line of createInterface({ input: progress })) failure ??= failureIn(line);
    } catch (cause) {
      throw new Error('the connection to the engine was lost during the pull', { cause });
    }
    if (failure !== undefined) throw new Error(failure);
  }

  private async call<T>(api: string, run: (signal: AbortSignal) => Promise<T>, caller?: AbortSignal): Promise<T> {
    const deadline = new AbortController();
    const timer = this.clock.after(this.timeoutMs, () => deadline.abort(), { keepAlive: true });
    const signal = caller === undefined ? deadline.signal : AbortSignal.any([deadline.signal, caller]);
    try {
      // Raced as well as aborted: an answer that breaks off in the middle leaves dockerode waiting for ever.
      return await untilAborted(
        this.timed(api, () => run(signal)),
        signal,
      );
    } catch (error) {
      throw deadline.signal.aborted ? new EngineTimeoutError(api, this.timeoutMs) : error;
    } finally {
      timer.cancel();
    }
  }

  private async timed<T>(api: string, run: () => Promise<T>): Promise<T> {
    const startedNs = this.clock.nowNs();
    try {
      return await run();
    } catch (error) {
      throw EngineError.from(error, api);
    } finally {
      observe('docker_api_latency', Number(this.clock.nowNs() - startedNs) / 1e6, { api_name: api });
    }
  }

  private look<T>(api: string, path: string, signal?: AbortSignal): Promise<T> {
    return this.call(api, async (abortSignal) => (await json(await this.open('GET', path, abortSignal))) as T, signal);
  }

  /** The response as soon as its head is there, for the calls that dockerode cannot abort or only reads to their end. */
  private open(method: string, path: string, abortSignal: AbortSignal, query?: object): Promise<IncomingMessage> {
    const parameters = query === undefined ? {} : { options: { _query: query, _body: {} } };
    const options = { method, path, abortSignal, isStream: true, statusCodes: { 200: true }, ...parameters };
    return new Promise((resolve, reject) => {
      this.docker.modem.dial(options, (error, response) =>
        error ? reject(error) : resolve(response as IncomingMessage),
      );
    });
  }
}

/** What a line of progress says about a failure. A line that was cut off says nothing. */
function failureIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { error?: string }).error;
  } catch {
    return undefined;
  }
}
