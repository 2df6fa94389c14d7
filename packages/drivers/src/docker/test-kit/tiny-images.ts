import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { script } from '../../testing/test-functions.js';
import type { RegistryAuth } from '../images/registry-credentials.js';

type Tar = (entries: readonly { path: string; content: Buffer }[]) => AsyncGenerator<Buffer>;

/** Images of a few bytes, each unlike any other, made on the Docker engine of this machine and gone after the test. */
export class TinyImages {
  readonly docker = new Docker();
  private readonly names = new Set<string>();

  /** Makes an image from nothing, which can be made a container of but not run. */
  async make(repository: string, tag: string): Promise<string> {
    const { tar } = await script<{ tar: Tar }>('scripts/images/tar.mjs');
    const content = Buffer.from(randomUUID());
    const options = { repo: repository, tag, changes: 'CMD ["/nothing"]' };
    await last(await this.docker.importImage(Readable.from(tar([{ path: 'content', content }])), options));
    return this.willRemove(`${repository}:${tag}`);
  }

  /** Makes an image that is another one, with a check of its health. */
  async makeChecked(base: string, repository: string): Promise<string> {
    const container = await this.docker.createContainer({ Image: base });
    await container.commit({ repo: repository, tag: 'test', changes: 'HEALTHCHECK --interval=1s CMD ["/nothing"]' });
    await container.remove();
    return this.willRemove(`${repository}:test`);
  }

  /**
   * Makes an image that is in the registry of its name and not here.
   * @returns its digest
   */
  async publish(repository: string, tag: string, authconfig: RegistryAuth = {}): Promise<string> {
    const name = await this.make(repository, tag);
    const { aux } = await last(await this.docker.getImage(name).push({ authconfig }));
    await this.docker.getImage(name).remove();
    return aux?.Digest ?? '';
  }

  async isHere(name: string): Promise<boolean> {
    return (await this.idOf(name)) !== undefined;
  }

  async idOf(name: string): Promise<string | undefined> {
    const [found] = await this.docker.listImages({ filters: { reference: [name] } });
    return found?.Id;
  }

  /** Names what a test will bring here. */
  willRemove(name: string): string {
    this.names.add(name);
    return name;
  }

  async removeAll(): Promise<void> {
    for (const name of this.names) {
      await this.docker
        .getImage(name)
        .remove()
        .catch((error) => {
          if (error.statusCode !== 404) throw error;
        });
    }
    this.names.clear();
  }
}

interface Progress {
  readonly error?: string;
  readonly aux?: { readonly Digest: string };
}

/** The last message of an answer that reports progress. */
async function last(answer: NodeJS.ReadableStream): Promise<Progress> {
  let progress: Progress = {};
  for await (const line of createInterface({ input: answer })) {
    progress = JSON.parse(line) as Progress;
    if (progress.error !== undefined) throw new Error(progress.error);
  }
  return progress;
}
