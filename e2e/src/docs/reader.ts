import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePorts, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { PATIENCE } from '../harness/fleet.js';
import { Footprint } from '../harness/footprint.js';
import { ROOT } from '../harness/paths.js';
import { BuiltImages } from './built-images.js';
import { type ShownCommand, shownCommands } from './console-block.js';
import type { MarkdownPage } from './markdown-page.js';
import { type Ids, missingFrom, withIds } from './shown-output.js';
import { Terminal } from './terminal.js';

/** How long a fleet may take to be up, and any other command to end, milliseconds. */
const START_LIMIT_MS = 60_000;
/** What a page shows may come so many times later on a machine that is busy with other tests. */
const BUSY = 6;

/**
 * Somebody who does what a page says: writes the files it shows, types the commands of its `console` blocks in their order, and
 * compares what comes with what is shown. Ports are others than those of the page.
 *
 * R1  The clone that is worked in is a folder of links to this one: what a page writes, it writes there.
 * R2  Whatever was started ends in `leave`, which tells what is left of it.
 */
export class Reader {
  private readonly footprint = new Footprint();
  private readonly clone = path.join(this.footprint.folder, 'clone');
  private readonly images = new BuiltImages(new Docker(), this.clone);
  private readonly ids: Ids = new Map();
  private readonly shell: Terminal;
  private fleet: Terminal | undefined;

  private constructor(private readonly port: number) {
    mkdirSync(this.clone);
    for (const name of readdirSync(ROOT)) symlinkSync(path.join(ROOT, name), path.join(this.clone, name));
    this.shell = this.terminal({
      // Where the commands look unless they are told: the usual ports, which here are others.
      FN_API_URL: `http://localhost:${port}`,
      FN_LB_URL: `http://localhost:${port + 1}`,
    });
  }

  static async start(): Promise<Reader> {
    return new Reader(await freePorts(4));
  }

  /**
   * Follows a page, or one part of it.
   * @param heading only what is below it
   * @throws Error at the first thing that is not as the page says
   */
  async follow(page: MarkdownPage, heading?: string): Promise<void> {
    const part = page.partOf(heading);
    for (const block of page.blocks.filter(({ line }) => line > part.from && line < part.to)) {
      if (block.info !== '') writeFileSync(this.file(block.info), `${block.lines.join('\n')}\n`);
      if (block.language !== 'console') continue;
      for (const shown of shownCommands(block)) {
        await this.type(shown).catch((error: Error) => {
          throw new Error(`${page.name}:${shown.line}: ${shown.command}\n${error.message}`);
        });
      }
    }
  }

  /** Presses Ctrl-C in the terminal of the fleet. Resolves with what is left on the machine although nothing should be. */
  async leave(): Promise<string[]> {
    try {
      await this.endFleet();
    } finally {
      await this.shell.close();
      await this.images.putBack();
    }
    const left = await this.footprint.leftovers();
    this.footprint.remove();
    return left;
  }

  private async type(shown: ShownCommand): Promise<void> {
    const command = this.here(withIds(shown.command, this.ids));
    if (shown.how.ownTerminal) return this.startFleet(command, shown.output);
    await this.images.expect(command);
    const deadline = Date.now() + BUSY * shown.how.withinMs;
    for (;;) {
      const { output, code } = await this.shell.run(command);
      const missing = shown.output.length === 0 ? undefined : this.missing(output, shown.output);
      if (missing === undefined && code === shown.how.exitCode) return;
      if (Date.now() < deadline) continue;
      throw new Error(
        `exit code ${code}${missing === undefined ? '' : `; not there: ${missing}`}; printed:\n${output}`,
      );
    }
  }

  private async startFleet(command: string, shown: readonly string[]): Promise<void> {
    await this.endFleet();
    const fleet = this.terminal(PATIENCE);
    this.fleet = fleet;
    const ended = fleet.run(this.onOurPorts(command));
    await until({
      what: `${command}: ${shown.at(-1)}`,
      withinMs: START_LIMIT_MS,
      look: () => (this.missing(fleet.output, shown) === undefined ? true : undefined),
    }).catch((error: Error) => {
      throw new Error(`${error.message}; not there: ${this.missing(fleet.output, shown)}; printed:\n${fleet.output}`);
    });
    ended.catch(() => undefined);
  }

  private async endFleet(): Promise<void> {
    const fleet = this.fleet;
    this.fleet = undefined;
    if (fleet === undefined) return;
    await fleet.interrupt();
    if (!fleet.output.includes('stopped and cleaned up'))
      throw new Error(`Ctrl-C did not end the fleet:\n${fleet.output}`);
  }

  private missing(output: string, shown: readonly string[]): string | undefined {
    return missingFrom(
      output,
      shown.map((line) => this.here(line)),
      this.ids,
    );
  }

  /** The ports of the page, as they are here. */
  private here(text: string): string {
    return text.replaceAll(
      /\b(localhost|127\.0\.0\.1):808([0-3])\b/g,
      (_, host, digit) => `${host}:${this.port + Number(digit)}`,
    );
  }

  private onOurPorts(command: string): string {
    const ports = `--port ${this.port}`;
    return command.replace(/npm start( --)?/, `npm start -- ${ports}`).replace(/fnfleet up\b/, `fnfleet up ${ports}`);
  }

  private file(name: string): string {
    const file = path.join(this.clone, name);
    mkdirSync(path.dirname(file), { recursive: true });
    return file;
  }

  private terminal(env: Readonly<Record<string, string>>): Terminal {
    return new Terminal(this.clone, { ...this.footprint.env, ...env });
  }
}
