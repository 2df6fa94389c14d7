import type Docker from 'dockerode';

/** Images that commands of a page make, so that afterwards the machine has what it had. */
export class BuiltImages {
  /** The image that had the name before, or undefined. */
  private readonly before = new Map<string, string | undefined>();

  constructor(private readonly docker: Docker) {}

  /** Looks at what a command is about to build, before it does. */
  async expect(command: string): Promise<void> {
    if (!/\bdocker build\b/.test(command)) return;
    for (const [, name = ''] of command.matchAll(/ (?:-t|--tag) (\S+)/g)) {
      if (!this.before.has(name)) this.before.set(name, await this.idOf(name));
    }
  }

  async putBack(): Promise<void> {
    for (const [name, id] of this.before) {
      await this.docker.getImage(name).remove({ force: true }).catch(unlessMissing);
      const [, repo = '', tag = ''] = /^(.*):([^:]+)$/.exec(name) ?? [];
      if (id !== undefined) await this.docker.getImage(id).tag({ repo, tag });
    }
    this.before.clear();
  }

  private async idOf(name: string): Promise<string | undefined> {
    const found = await this.docker.getImage(name).inspect().catch(unlessMissing);
    return found?.Id;
  }
}

function unlessMissing(error: { statusCode?: number }): undefined {
  if (error.statusCode !== 404) throw error;
}
