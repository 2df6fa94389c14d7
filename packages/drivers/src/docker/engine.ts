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
  stateIn,
  textOf,
  versionIn,
} from './engine-answers.js';
import { EngineError, isNotFound } from './engine-errors.js';
import { type Progress, readProgress } from './engine-progress.js';
import { type EngineOptions, type EngineRequest, EngineTransport } from './engine-transport.js';
import type { LocalImage } from './images/image-cache.js';
import { type ImageReference, pullName } from './images/image-reference.js';
import type { LayerProgress } from './images/pull-progress.js';
import type { Credential, RegistryAuth } from './images/registry-auth.js';
import type { OuterMount } from './own-container.js';
import { readWhole } from './read-whole.js';

export type { EngineInfo, EngineVersion, InspectedImage, ListedContainer } from './engine-answers.js';

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

/** What an image is built of, and how. */
export interface ImageBuild {
  /** An archive (tar) with everything that the Dockerfile may copy, and the Dockerfile itself. */
  readonly context: Readable;
  /** Where the Dockerfile is in it. */
  readonly dockerfile: string;
  /** The name that the image gets. */
  readonly image: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** By BuildKit. It pulls base images without credentials: those stay with the command line that it expects to hear from. */
  readonly buildkit: boolean;
  /** Every step again, whatever there is from earlier builds. */
  readonly noCache: boolean;
  /** For the registries of base images. */
  readonly credentials: readonly Credential[];
}

/** An exit code, and perhaps why. */
const MAX_EXIT_BYTES = 64 * 1024;
/** A name that no image can have: the domain is reserved. */
const NO_IMAGE = 'fnfleet.invalid/none:none';

/**
 * The calls that the driver makes to the Docker engine. Each ends within a deadline.
 *
 * @throws EngineError what the engine answered, EngineNonsenseError, EngineTimeoutError, CancelledError on abort; else the
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

  /** Undefined when the engine has no such image. */
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

  /** Has no deadline but the caller's. */
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

  /** Loads an archive of images. Has no deadline but the caller's. */
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

  /** Has no deadline but the caller's: when that is over the engine ends the build. */
  async buildImage(build: ImageBuild, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<void> {
    const request: EngineRequest = {
      method: 'POST',
      path: '/build',
      // Containers of steps are removed, also of those that fail.
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

  /** Has no deadline but the caller's. */
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
      // Demanded, also of those who have nothing to show.
      headers: { 'X-Registry-Auth': shownToRegistry(auth ?? {}) },
    };
    const push = async (life: AbortSignal) =>
      readProgress(await this.transport.open('push_image', request, life), 'push', onProgress);
    await this.transport.call('push_image', push, signal);
  }

  /** Refused, with a conflict, while a container or another image needs it. */
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
   * Whether containers could be given this directory of the engine's machine. False as well where that cannot be found out.
   * Never rejects.
   */
  async seesDirectory(path: string): Promise<boolean> {
    // An engine looks at what is to be mounted before it looks for the image: 400 and 404.
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

  /** Kills and removes, with anonymous volumes. */
  async removeContainer(id: string): Promise<void> {
    const query = { force: true, v: true };
    await this.transport.act('remove_container', { method: 'DELETE', path: pathOf(id), query });
  }

  /** `pid` of its main process, where the engine runs; 0 when it does not run. */
  async inspectContainer(id: string): Promise<{ running: boolean; outOfMemory: boolean; pid: number }> {
    return stateIn(await this.inspect(id));
  }

  /** What is mounted in a container from where the engine runs. @throws EngineError 404 when it has no such container */
  async mountsOf(id: string): Promise<readonly OuterMount[]> {
    return mountsIn(await this.inspect(id));
  }

  /** Where the engine's machine has a volume; undefined: it does not tell. @throws EngineError 404 when it has no such volume */
  async mountpointOf(volume: string): Promise<string | undefined> {
    const request = { method: 'GET', path: `/volumes/${encodeURIComponent(volume)}` } as const;
    return textOf(fieldsOf(await this.transport.look('inspect_volume', request)).Mountpoint);
  }

  /** Two readings about a second apart, which the engine takes that long to give. Whatever it is that it answers. */
  stats(id: string, signal: AbortSignal): Promise<unknown> {
    const request = { method: 'GET', path: pathOf(id, 'stats'), query: { stream: false } } as const;
    return this.transport.look('stats', request, signal);
  }

  /** What happens in the engine from now on, a line of JSON each. */
  events(signal: AbortSignal): Promise<Readable> {
    const open = () => this.transport.open('add_event_listener', { method: 'GET', path: '/events' }, signal);
    return this.transport.call('add_event_listener', open, signal);
  }

  /** Running or not. */
  async listContainers(label: string): Promise<readonly ListedContainer[]> {
    const query = { all: true, filters: { label: [label] } };
    const request = { method: 'GET', path: '/containers/json', query } as const;
    return containersIn(await this.transport.look('list_containers', request));
  }

  /**
   * Resolves once the engine keeps watch, so that no exit after that goes unseen.
   * @param condition `next-exit` before the start; `not-running` when the container may have ended already
   */
  async watchExit(id: string, condition: 'next-exit' | 'not-running'): Promise<ExitWatch> {
    const life = new AbortController();
    const request = { method: 'POST', path: pathOf(id, 'wait'), query: { condition } } as const;
    try {
      const open = () => this.transport.open('wait_container', request, life.signal);
      const response = await this.transport.call('wait_container', open);
      const exitCode = readWhole(response, MAX_EXIT_BYTES).then((text) => exitCodeIn(JSON.parse(text)));
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
    const query = { stream: true, stdout: true, stderr: true };
    const request = { method: 'POST', path: pathOf(id, 'attach'), query } as const;
    try {
      const open = () => this.transport.open('attach_container', request, life.signal);
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

/** As the engine takes it: base64 for URLs, with its padding. */
function shownToRegistry(auth: RegistryAuth): string {
  return base64(auth);
}

function registryConfig(credentials: readonly Credential[]): string {
  return base64(Object.fromEntries(credentials.map(({ server, auth }) => [server, auth])));
}

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Nothing of a name leads out of its place in a path, whoever wrote it. */
function pathOfImage(name: string): string {
  const segments = name
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/%3A/g, ':').replace(/%40/g, '@'));
  return segments.join('/');
}
