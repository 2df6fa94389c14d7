import { readFileSync } from 'node:fs';
import path from 'node:path';
import type Docker from 'dockerode';

/** Images that commands of a page make, so that afterwards the machine has what it had. */
export class BuiltImages {
  /** The image that had the name before, or undefined. */
  private readonly before = new Map<string, string | undefined>();
  /** Images that lost their name to another build. */
  private readonly replaced = new Set<string>();

  /** @param folder where the commands run */
  constructor(
    private readonly docker: Docker,
    private readonly folder: string,
  ) {}

  /** Looks at what a command is about to build, before it does. */
  async expect(command: string): Promise<void> {
    for (const name of this.namesIn(command)) {
      const id = await this.idOf(name);
      if (!this.before.has(name)) this.before.set(name, id);
      else if (id !== undefined && id !== this.before.get(name)) this.replaced.add(id);
    }
  }

  async putBack(): Promise<void> {
    for (const [name, id] of this.before) {
      await this.docker.getImage(name).remove({ force: true }).catch(unlessMissing);
      const [, repo = '', tag = ''] = /^(.*):([^:]+)$/.exec(name) ?? [];
      if (id !== undefined) await this.docker.getImage(id).tag({ repo, tag });
    }
    for (const id of this.replaced) await this.docker.getImage(id).remove({ force: true }).catch(unlessMissing);
    this.before.clear();
    this.replaced.clear();
  }

  private namesIn(command: string): string[] {
    if (/\bdocker build\b/.test(command)) {
      return [...command.matchAll(/ (?:-t|--tag) (\S+)/g)].map(([, name = '']) => name);
    }
    const [, folder] = /\bfnfleet (?:build|deploy) ([\w./-]+)/.exec(command) ?? [];
    if (folder === undefined || command.includes('--image')) return [];
    const funcFile = readFileSync(path.join(this.folder, folder, 'func.yaml'), 'utf8');
    const [name, version] = ['name', 'version'].map((key) => new RegExp(`^${key}: (\\S+)$`, 'm').exec(funcFile)?.[1]);
    return name === undefined ? [] : [`${name}:${version ?? 'latest'}`];
  }

  private async idOf(name: string): Promise<string | undefined> {
    const found = await this.docker.getImage(name).inspect().catch(unlessMissing);
    return found?.Id;
  }
}

function unlessMissing(error: { statusCode?: number }): undefined {
  if (error.statusCode !== 404) throw error;
}
