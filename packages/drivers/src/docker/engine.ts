import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { ContainerCreateOptions } from 'dockerode';
import {
  containersIn,
  createdIn,
  type EngineInfo,
  type EngineVersion,
  exitCodeIn,
  fieldsOf,
  type InspectedImage,
  imageIn,
  imagesIn,
  infoIn,
  type ListedContainer,
  mountsIn,
  readWhole,
  stateIn,
  textOf,
  versionIn,
} from './engine-answers.js';
import { EngineError, isNotFound } from './engine-errors.js';
import type { OuterMount } from './engine-paths.js';
import { type LayerProgress, type Progress, readProgress } from './engine-progress.js';
import { type EngineOptions, type EngineRequest, EngineTransport } from './engine-transport.js';
import type { LocalImage } from './images/image-cache.js';
import { type ImageReference, pullName } from './images/image-reference.js';
import type { Credential, RegistryAuth } from './images/registry-credentials.js';

export type { EngineInfo, EngineVersion, InspectedImage, ListedContainer } from './engine-answers.js';

export interface ExitWatch {
  /** Rejects when the connection to the engine is lost, or after `close`. */
  readonly exitCode: Promise<number>;
  close(): void;
}

/** The raw output of a container: frames, whose head names the stream. */
export interface Attachment {
  readonly frames: AsyncIterable<Buffer>;
  /** Ends `frames`. Idempotent. */
  close(): void;
}

/** Describes a build of an image. */
export interface ImageBuild {
  /** A tar archive with the Dockerfile and everything that it may copy. */
  readonly context: Readable;
  /** The path of the Dockerfile in it. */
  readonly dockerfile: string;
  /** The name of the new image. */
  readonly image: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Builds with BuildKit, which pulls base images without credentials: it expects them from the docker command line. */
  readonly buildkit: boolean;
  /** Runs every step again, without the cache of earlier builds. */
  readonly noCache: boolean;
  /** Credentials for the registries of base images. */
  readonly credentials: readonly Credential[];
}

/** Maximum size of an answer with an exit code and possibly a reason. */
const MAX_EXIT_BYTES = 64 * 1024;
/** A name that no image can have, because the domain is reserved. */
const NO_IMAGE = 'fnfleet.invalid/none:none';

/**
 * The requests of the driver to the Docker engine. Each has a deadline unless noted.
 *
 * @throws EngineError with what the engine answered, EngineNonsenseError, EngineTimeoutError, CancelledError on abort; else the
 *   network's error
 */
export class Engine {
  private readonly transport: EngineTransport;

  constructor(options: EngineOptions) {
    this.transport = new EngineTransport(options);
  }

  async ping(): Promise<void> {
    await this.transport.act('ping', { method: 'GET', path: '/_ping' });
  }

  async version(): Promise<EngineVersion> {
    return versionIn(await this.transport.look('version', { method: 'GET', path: '/version' }));
  }

  async info(): Promise<EngineInfo> {
    return infoIn(await this.transport.look('info', { method: 'GET', path: '/info' }));
  }

  /** Undefined if the engine has no such image. */
  async inspectImage(name: string, signal: AbortSignal): Promise<InspectedImage | undefined> {
    try {
      const request = { method: 'GET', path: `/images/${pathOfImage(name)}/json` } as const;
      return imageIn(await this.transport.look('inspect_image', request, signal));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async listImages(signal: AbortSignal): Promise<readonly LocalImage[]> {
    return imagesIn(await this.transport.look('list_images', { method: 'GET', path: '/images/json' }, signal));
  }

  /** Has no deadline of its own. */
  async pullImage(
    reference: ImageReference,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
    onLayer: (layer: LayerProgress) => void = () => undefined,
  ): Promise<void> {
    const request: EngineRequest = {
      method: 'POST',
      path: '/images/create',
      query: { fromImage: pullName(reference), tag: reference.tag },
      headers: auth === undefined ? {} : { 'X-Registry-Auth': shownToRegistry(auth) },
    };
    const pull = async (life: AbortSignal) =>
      readProgress(await this.transport.open('pull_image', request, life), 'pull', ({ layer }) => {
        if (layer !== undefined) onLayer(layer);
      });
    await this.transport.call('pull_image', pull, signal);
  }

  /** Loads an archive of images. Has no deadline of its own. */
  async loadImages(path: string, signal: AbortSignal): Promise<void> {
    const archive = createReadStream(path);
    const headers = { 'Content-Type': 'application/x-tar' };
    const request: EngineRequest = { method: 'POST', path: '/images/load', body: archive, headers };
    const load = async (life: AbortSignal) =>
      readProgress(await this.transport.open('load_images', request, life), 'load');
    try {
      await this.transport.call('load_images', load, signal);
    } finally {
      archive.destroy();
    }
  }

  /** Has no deadline of its own. When the signal aborts, the engine ends the build. */
  async buildImage(build: ImageBuild, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<void> {
    const request: EngineRequest = {
      method: 'POST',
      path: '/build',
      // Removes the containers of steps, including failed ones.
      query: {
        t: build.image,
        dockerfile: build.dockerfile,
        buildargs: build.buildArgs,
        nocache: build.noCache,
        version: build.buildkit ? '2' : undefined,
        forcerm: true,
      },
      body: build.context,
      headers: { 'Content-Type': 'application/x-tar', 'X-Registry-Config': registryConfig(build.credentials) },
    };
    const run = async (life: AbortSignal) =>
      readProgress(await this.transport.open('build_image', request, life), 'build', onProgress);
    try {
      await this.transport.call('build_image', run, signal);
    } finally {
      build.context.destroy();
    }
  }

  /** Has no deadline of its own. */
  async pushImage(
    reference: ImageReference,
    auth: RegistryAuth | undefined,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const request: EngineRequest = {
      method: 'POST',
      path: `/images/${pathOfImage(pullName(reference))}/push`,
      query: { tag: reference.tag },
      // Required even without credentials.
      headers: { 'X-Registry-Auth': shownToRegistry(auth ?? {}) },
    };
    const push = async (life: AbortSignal) =>
      readProgress(await this.transport.open('push_image', request, life), 'push', onProgress);
    await this.transport.call('push_image', push, signal);
  }

  /** Fails with a conflict while a container or another image needs it. */
  async removeImage(id: string, signal: AbortSignal): Promise<void> {
    const request = { method: 'DELETE', path: `/images/${pathOfImage(id)}` } as const;
    await this.transport.act('remove_image', request, signal);
  }

  /**
   * @param request typed loosely: `ContainerCreateOptions` here would make dockerode's types a dependency of everyone who uses this package
   */
  async createContainer({ name, ...body }: object & { readonly name?: string | undefined }): Promise<string> {
    const request: EngineRequest = { method: 'POST', path: '/containers/create', query: { name }, body };
    return createdIn(await this.transport.look('create_container', request));
  }

  /**
   * Whether this directory of the engine's machine can be mounted into containers. False if that cannot be determined.
   * Never rejects.
   */
  async seesDirectory(path: string): Promise<boolean> {
    // An engine checks mounts before it looks for the image: a missing mount gives 400, a missing image 404.
    return (await this.refusalOfMount(`${path}-not`)) === 400 && (await this.refusalOfMount(path)) === 404;
  }

  async startContainer(id: string): Promise<void> {
    await this.transport.act('start_container', { method: 'POST', path: pathOf(id, 'start') });
  }

  async pauseContainer(id: string): Promise<void> {
    await this.transport.act('pause_container', { method: 'POST', path: pathOf(id, 'pause') });
  }

  async resumeContainer(id: string): Promise<void> {
    await this.transport.act('unpause_container', { method: 'POST', path: pathOf(id, 'unpause') });
  }

  /** Kills and removes the container, with its anonymous volumes. */
  async removeContainer(id: string): Promise<void> {
    const query = { force: true, v: true };
    await this.transport.act('remove_container', { method: 'DELETE', path: pathOf(id), query });
  }

  /** `pid` is that of the main process on the engine's machine; 0 if it does not run. */
  async inspectContainer(id: string): Promise<{ running: boolean; outOfMemory: boolean; pid: number }> {
    return stateIn(await this.inspect(id));
  }

  /** The mounts of a container from the engine's machine. @throws EngineError 404 if there is no such container */
  async mountsOf(id: string): Promise<readonly OuterMount[]> {
    return mountsIn(await this.inspect(id));
  }

  /**
   * The path of a volume on the engine's machine; undefined if the engine does not report it.
   * @throws EngineError 404 if there is no such volume
   */
  async mountpointOf(volume: string): Promise<string | undefined> {
    const request = { method: 'GET', path: `/volumes/${encodeURIComponent(volume)}` } as const;
    return textOf(fieldsOf(await this.transport.look('inspect_volume', request)).Mountpoint);
  }

  /** The unparsed statistics: two readings, for which the engine takes about a second. */
  stats(id: string, signal: AbortSignal): Promise<unknown> {
    const request = { method: 'GET', path: pathOf(id, 'stats'), query: { stream: false } } as const;
    return this.transport.look('stats', request, signal);
  }

  /** Events of the engine from now on, one line of JSON each. */
  events(signal: AbortSignal): Promise<Readable> {
    const open = () => this.transport.open('add_event_listener', { method: 'GET', path: '/events' }, signal);
    return this.transport.call('add_event_listener', open, signal);
  }

  /** Lists running and stopped containers. */
  async listContainers(label: string): Promise<readonly ListedContainer[]> {
    const query = { all: true, filters: { label: [label] } };
    const request = { method: 'GET', path: '/containers/json', query } as const;
    return containersIn(await this.transport.look('list_containers', request));
  }

  /**
   * Resolves once the engine watches the container, so that no exit after that is missed.
   * @param condition `next-exit` before the start; `not-running` when the container may have ended already
   */
  async watchExit(id: string, condition: 'next-exit' | 'not-running'): Promise<ExitWatch> {
    const lifetime = new AbortController();
    const request = { method: 'POST', path: pathOf(id, 'wait'), query: { condition } } as const;
    try {
      const open = () => this.transport.open('wait_container', request, lifetime.signal);
      const response = await this.transport.call('wait_container', open);
      const exitCode = readWhole(response, MAX_EXIT_BYTES).then((text) => exitCodeIn(JSON.parse(text)));
      // After close() it rejects without a listener.
      exitCode.catch(() => undefined);
      return { exitCode, close: () => lifetime.abort() };
    } catch (error) {
      lifetime.abort();
      throw error;
    }
  }

  /** Resolves once all output from now on will be in the frames. */
  async attachOutput(id: string): Promise<Attachment> {
    const lifetime = new AbortController();
    const query = { stream: true, stdout: true, stderr: true };
    const request = { method: 'POST', path: pathOf(id, 'attach'), query } as const;
    try {
      const open = () => this.transport.open('attach_container', request, lifetime.signal);
      const frames = await this.transport.call('attach_container', open);
      return { frames, close: () => lifetime.abort() };
    } catch (error) {
      lifetime.abort();
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
      const request: ContainerCreateOptions = { Image: NO_IMAGE, HostConfig: { Mounts: [mount] } };
      const id = await this.createContainer(request);
      await this.removeContainer(id);
      return undefined;
    } catch (error) {
      return error instanceof EngineError ? error.status : undefined;
    }
  }

  private async inspect(id: string): Promise<Readonly<Record<string, unknown>>> {
    return fieldsOf(await this.transport.look('inspect_container', { method: 'GET', path: pathOf(id, 'json') }));
  }
}

function pathOf(container: string, what?: string): string {
  const path = `/containers/${encodeURIComponent(container)}`;
  return what === undefined ? path : `${path}/${what}`;
}

/** The header value: base64url with padding. */
function shownToRegistry(auth: RegistryAuth): string {
  return base64(auth);
}

function registryConfig(credentials: readonly Credential[]): string {
  return base64(Object.fromEntries(credentials.map(({ server, auth }) => [server, auth])));
}

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Encodes an untrusted name, so that it cannot leave its place in the path. */
function pathOfImage(name: string): string {
  const segments = name
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/%3A/g, ':').replace(/%40/g, '@'));
  return segments.join('/');
}
