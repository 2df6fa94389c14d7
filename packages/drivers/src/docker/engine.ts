import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { EngineError, isNotFound } from './engine-errors.js';
import { readProgress } from './engine-progress.js';
import { type EngineOptions, EngineTransport } from './engine-transport.js';
import type { LocalImage } from './images/image-cache.js';
import { type ImageReference, pullName } from './images/image-reference.js';
import type { RegistryAuth } from './images/registry-auth.js';
import type { OuterMount } from './own-container.js';
import type { EngineStats } from './stats-sample.js';

export interface EngineVersion {
  readonly engine: string;
  /** Of the API that it speaks, as `1.41`. */
  readonly api: string;
}

interface VersionAnswer {
  readonly Version: string;
  readonly ApiVersion?: string;
}

/** What an engine can do. Fields are missing where it is too old to know of them. */
export interface EngineInfo {
  readonly CgroupVersion?: string;
  readonly KernelMemory?: boolean;
  /** Where it keeps images and containers, on its own machine. */
  readonly DockerRootDir?: string;
  /** By name. */
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  /** `name=seccomp,profile=default`, `name=apparmor` … */
  readonly SecurityOptions?: readonly string[];
  /** The storage driver, and what it has to say. */
  readonly Driver?: string;
  readonly DriverStatus?: readonly (readonly [key: string, value: string])[] | null;
}

export interface InspectedImage extends LocalImage {
  readonly declaresVolume: boolean;
}

/** What a list and an inspection of images have in common. */
interface ImageAnswer {
  readonly Id: string;
  readonly Size: number;
  readonly RepoTags?: readonly string[] | null;
}

interface ImageInspection extends ImageAnswer {
  readonly Config?: { readonly Volumes?: Readonly<Record<string, unknown>> | null } | null;
}

export interface ExitWatch {
  /** Rejects when the connection to the engine is lost, or after `stop`. */
  readonly exitCode: Promise<number>;
  stop(): void;
}

/** The output of a container as it comes: frames, each with a head that says which output it is from. */
export interface Attachment {
  readonly frames: AsyncIterable<Buffer>;
  /** Ends `frames`. Idempotent. */
  stop(): void;
}

/** A name that no image can have: the domain is reserved. */
const NO_IMAGE = 'fnfleet.invalid/none:none';

/**
 * The calls that the driver makes to the Docker engine. Each ends within a deadline.
 *
 * @throws EngineError what the engine answered, EngineTimeoutError, CancelledError on abort; else the network's error
 */
export class Engine {
  private readonly transport: EngineTransport;

  constructor(options: EngineOptions) {
    this.transport = new EngineTransport(options);
  }

  async ping(): Promise<void> {
    await this.transport.call('ping', async (signal) => text(await this.transport.open('GET', '/_ping', signal)));
  }

  async version(): Promise<EngineVersion> {
    const { Version, ApiVersion } = await this.transport.look<VersionAnswer>('version', '/version');
    return { engine: Version, api: ApiVersion ?? 'unknown' };
  }

  info(): Promise<EngineInfo> {
    return this.transport.look('info', '/info');
  }

  /** Undefined when the engine has no such image. */
  async inspectImage(name: string, signal: AbortSignal): Promise<InspectedImage | undefined> {
    try {
      const path = `/images/${encodeURI(name)}/json`;
      const answer = await this.transport.look<ImageInspection>('inspect_image', path, signal);
      return { ...localImage(answer), declaresVolume: Object.keys(answer.Config?.Volumes ?? {}).length > 0 };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async listImages(signal: AbortSignal): Promise<readonly LocalImage[]> {
    const images = await this.transport.look<readonly ImageAnswer[]>('list_images', '/images/json', signal);
    return images.map(localImage);
  }

  /** Has no deadline but the caller's. */
  async pullImage(reference: ImageReference, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<void> {
    const options = { fromImage: pullName(reference), tag: reference.tag, authconfig: auth };
    const pull = async (abortSignal: AbortSignal) =>
      readProgress(await this.transport.docker.createImage({ ...options, abortSignal }), 'pull');
    await this.transport.call('pull_image', pull, signal);
  }

  /** Loads an archive of images. Has no deadline but the caller's. */
  async loadImages(path: string, signal: AbortSignal): Promise<void> {
    const archive = createReadStream(path);
    const load = async (abortSignal: AbortSignal) =>
      readProgress(await this.transport.docker.loadImage(archive, { abortSignal }), 'load');
    try {
      await this.transport.call('load_images', load, signal);
    } finally {
      archive.destroy();
    }
  }

  /** Refused, with a conflict, while a container or another image needs it. */
  async removeImage(id: string, signal: AbortSignal): Promise<void> {
    const remove = (abortSignal: AbortSignal) => this.transport.docker.getImage(id).remove({ abortSignal });
    await this.transport.call('remove_image', remove, signal);
  }

  async createContainer(request: Docker.ContainerCreateOptions): Promise<string> {
    const create = (abortSignal: AbortSignal) => this.transport.docker.createContainer({ ...request, abortSignal });
    return (await this.transport.call('create_container', create)).id;
  }

  /**
   * Whether containers could be given this directory of the engine's machine. False as well where that cannot be found out.
   * Never rejects.
   */
  async seesDirectory(path: string): Promise<boolean> {
    // An engine looks at what is to be mounted before it looks for the image: 400 and 404.
    return (await this.refusalOfMount(`${path}-not`)) === 400 && (await this.refusalOfMount(path)) === 404;
  }

  async startContainer(id: string): Promise<void> {
    await this.transport.call('start_container', (abortSignal) => this.container(id).start({ abortSignal }));
  }

  async pauseContainer(id: string): Promise<void> {
    await this.transport.call('pause_container', (abortSignal) => this.container(id).pause({ abortSignal }));
  }

  async resumeContainer(id: string): Promise<void> {
    await this.transport.call('unpause_container', (abortSignal) => this.container(id).unpause({ abortSignal }));
  }

  /** Kills and removes, with anonymous volumes. */
  async removeContainer(id: string): Promise<void> {
    await this.transport.call('remove_container', (abortSignal) =>
      this.container(id).remove({ force: true, v: true, abortSignal }),
    );
  }

  /** `pid` of its main process, where the engine runs; 0 when it does not run. */
  async inspectContainer(id: string): Promise<{ running: boolean; outOfMemory: boolean; pid: number }> {
    const { State } = await this.transport.call('inspect_container', (abortSignal) =>
      this.container(id).inspect({ abortSignal }),
    );
    return { running: State.Running, outOfMemory: State.OOMKilled, pid: State.Pid };
  }

  /** What is mounted in a container from where the engine runs. @throws EngineError 404 when it has no such container */
  async mountsOf(id: string): Promise<readonly OuterMount[]> {
    const { Mounts } = await this.transport.call('inspect_container', (abortSignal) =>
      this.container(id).inspect({ abortSignal }),
    );
    return Mounts.map(({ Source, Destination }) => ({ source: Source, destination: Destination }));
  }

  /** Two readings about a second apart, which the engine takes that long to give. */
  stats(id: string, signal: AbortSignal): Promise<EngineStats> {
    return this.transport.look('stats', `/containers/${encodeURIComponent(id)}/stats?`, signal, { stream: false });
  }

  /** What happens in the engine from now on, a line of JSON each. */
  events(signal: AbortSignal): Promise<Readable> {
    return this.transport.call('add_event_listener', () => this.transport.open('GET', '/events', signal), signal);
  }

  /** Running or not. */
  listContainers(label: string): Promise<Docker.ContainerInfo[]> {
    return this.transport.call('list_containers', (abortSignal) =>
      this.transport.docker.listContainers({ all: true, filters: { label: [label] }, abortSignal }),
    );
  }

  /**
   * Resolves once the engine keeps watch, so that no exit after that goes unseen.
   * @param condition `next-exit` before the start; `not-running` when the container may have ended already
   */
  async watchExit(id: string, condition: 'next-exit' | 'not-running'): Promise<ExitWatch> {
    const life = new AbortController();
    const path = `/containers/${encodeURIComponent(id)}/wait?`;
    const open = () => this.transport.open('POST', path, life.signal, { condition });
    try {
      const response = await this.transport.call('wait_container', open);
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
    const open = () => this.transport.open('POST', path, life.signal, query);
    try {
      const frames = await this.transport.call('attach_container', open);
      return { frames, stop: () => life.abort() };
    } catch (error) {
      life.abort();
      throw error;
    }
  }

  /** Breaks off every call in flight and refuses new ones. */
  close(): void {
    this.transport.close();
  }

  private async refusalOfMount(path: string): Promise<number | undefined> {
    try {
      const mount = { Type: 'bind', Source: path, Target: '/trial' } as const;
      const id = await this.createContainer({ Image: NO_IMAGE, HostConfig: { Mounts: [mount] } });
      await this.removeContainer(id);
      return undefined;
    } catch (error) {
      return error instanceof EngineError ? error.status : undefined;
    }
  }

  private container(id: string): Docker.Container {
    return this.transport.docker.getContainer(id);
  }
}

function localImage({ Id, Size, RepoTags }: ImageAnswer): LocalImage {
  return { id: Id, sizeBytes: Size, tags: RepoTags ?? [] };
}
