import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, freePort, TestProgram, testTool } from '@fnfleet/testing';

/** A registry of images on this machine. Docker takes one on the loopback address without TLS. */
export class ImageRegistry {
  private constructor(
    /** As in the name of an image: `127.0.0.1:port`. */
    readonly host: string,
    private readonly program: TestProgram,
  ) {}

  /** @param folder for what it keeps */
  static async start(folder: string): Promise<ImageRegistry> {
    const host = `127.0.0.1:${await freePort()}`;
    const file = path.join(folder, 'registry.yml');
    const configuration = {
      version: '0.1',
      storage: { filesystem: { rootdirectory: path.join(folder, 'registry') } },
      http: { addr: host, secret: 'of a test' },
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(configuration));
    const ready = () => eventually(async () => void (await fetch(`http://${host}/v2/`)));
    return new ImageRegistry(host, await TestProgram.start(await testTool('docker-registry'), ['serve', file], ready));
  }

  close(): Promise<void> {
    return this.program.kill();
  }
}
