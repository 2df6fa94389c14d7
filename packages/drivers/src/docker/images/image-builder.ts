import { stripVTControlCharacters } from 'node:util';
import { type Logger, printable, type SettingsOf, systemClock } from '@fnfleet/core';
import { type dockerSettings, limitsOf } from '../docker-settings.js';
import { Engine, type ImageBuild } from '../engine.js';
import { engineAddress } from '../engine-address.js';
import { EngineNonsenseError, isUnreachable } from '../engine-errors.js';
import type { Progress } from '../engine-progress.js';
import { BuildkitTrace } from './buildkit-trace.js';
import { parseImageReference, pullName } from './image-reference.js';
import { RegistryCredentials } from './registry-credentials.js';

/** Maximum length of a line of build output. */
const MAX_LINE_CHARACTERS = 4 * 1024;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

export interface ImageBuilderOptions {
  readonly settings: SettingsOf<typeof dockerSettings>;
  /** Logs credentials that cannot be read. */
  readonly logger: Logger;
  /** Receives the progress, line by line, without control characters. */
  readonly progress: (line: string) => void;
}

/**
 * Builds and pushes images with the configured engine. Used by the commands of developers, never by a runner. When a caller
 * gives up or its process ends, the engine stops as well.
 */
export class ImageBuilder {
  private readonly engine: Engine;
  private readonly address: string;
  private readonly credentials: RegistryCredentials;
  private readonly progress: (line: string) => void;

  /** @throws Error when the address of the engine cannot be understood */
  constructor({ settings, logger, progress }: ImageBuilderOptions) {
    const address = engineAddress(settings);
    this.address = address.text;
    this.engine = new Engine({ address, limits: limitsOf(settings), clock: systemClock });
    this.credentials = new RegistryCredentials(settings, logger);
    this.progress = progress;
  }

  /**
   * @returns the id of the image, which changes with its content
   * @throws Error with the reason of the engine, or the error of the context
   */
  async build(build: Omit<ImageBuild, 'credentials'>, signal: AbortSignal): Promise<string> {
    const lines = new Lines(this.progress);
    const trace = new BuildkitTrace();
    let contextError: Error | undefined;
    build.context.once('error', (error) => {
      contextError = error;
    });
    let id: string | undefined;
    const onProgress = (progress: Progress) => {
      id = progress.imageId ?? id;
      lines.add(progress.output ?? '');
      if (progress.trace !== undefined) lines.add(trace.read(progress.trace));
      if (progress.status !== undefined) lines.add(`${progress.status}\n`);
    };
    try {
      const credentials = await this.credentials.all();
      await this.engine.buildImage({ ...build, credentials }, onProgress, signal);
    } catch (error) {
      lines.end();
      // A lost connection also ends the context, with the same message.
      if (contextError !== undefined && !isUnreachable(contextError)) throw contextError;
      throw this.explained(error, `cannot build ${build.image}`);
    }
    lines.end();
    if (id === undefined || !IMAGE_ID.test(id))
      throw new EngineNonsenseError('the Docker engine did not report the id of the image that it built');
    return id;
  }

  /**
   * Pushes an image to the registry of its name.
   * @returns its name with its digest: `<registry>/<repository>@sha256:…`
   * @throws Error with the reason of the engine or the registry
   */
  async push(image: string, signal: AbortSignal): Promise<string> {
    const reference = parseImageReference(image);
    const lines = new Lines(this.progress);
    let digest: string | undefined;
    const onProgress = (progress: Progress) => {
      digest = progress.digest ?? digest;
      if (progress.status !== undefined) lines.add(`${progress.status}\n`);
    };
    try {
      await this.engine.pushImage(reference, await this.credentials.find(reference, {}), onProgress, signal);
    } catch (error) {
      throw this.explained(error, `cannot push ${image}`);
    }
    if (digest === undefined || !IMAGE_ID.test(digest)) {
      throw new EngineNonsenseError('the Docker engine did not report the digest of the image that it pushed');
    }
    return `${pullName(reference)}@${digest}`;
  }

  /** Aborts builds and pushes in progress. Idempotent. */
  close(): void {
    this.engine.close();
  }

  private explained(error: unknown, what: string): Error {
    const reason = printable((error as Error).message.trim());
    const where = isUnreachable(error) ? `no Docker engine at ${this.address} (DOCKER_HOST): ` : '';
    return new Error(`${what}: ${where}${reason}`, { cause: error });
  }
}

/** Splits output into lines and removes terminal control sequences. */
class Lines {
  private rest = '';

  constructor(private readonly print: (line: string) => void) {}

  add(piece: string): void {
    this.rest += piece;
    const lines = this.rest.split(/\r\n|[\r\n]/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.show(line);
    if (this.rest.length > MAX_LINE_CHARACTERS) this.end();
  }

  end(): void {
    const { rest } = this;
    this.rest = '';
    this.show(rest);
  }

  private show(line: string): void {
    const shown = printable(stripVTControlCharacters(line.slice(0, MAX_LINE_CHARACTERS))).trimEnd();
    if (shown !== '') this.print(shown);
  }
}
