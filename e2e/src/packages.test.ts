// needs: nothing
// takes: 16 s
import path from 'node:path';
import { freePorts, until } from '@fnfleet/testing';
import { Terminal } from './docs/terminal.js';
import { ROOT } from './harness/paths.js';
import { Consumer, PACKAGES } from './packages/consumer.js';

jest.setTimeout(180_000);

const NAMES: readonly string[] = PACKAGES.map(({ manifest }) => manifest.name);
const LIBRARIES = NAMES.filter((name) => name !== 'fnfleet');
const EXAMPLE = /^```js\n([\s\S]*?)^```\n\nprints\n\n```text\n([\s\S]*?)^```$/m;

describe('the packages, installed from their archives in an empty folder', () => {
  const consumer = new Consumer();

  beforeAll(() => consumer.install());

  afterAll(() => {
    const left = [...consumer.footprint.processes(), ...consumer.footprint.files()];
    consumer.footprint.remove();
    expect(left).toEqual([]);
  });

  it('export the same names to ES modules and to CommonJS', async () => {
    consumer.write(
      'names.mjs',
      `import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      for (const name of ${JSON.stringify(NAMES)}) {
        const { default: _, 'module.exports': __, __esModule, ...imported } = await import(name);
        const lacking = Object.keys(require(name)).filter((key) => key !== '__esModule' && !(key in imported));
        console.log(name, lacking.length);
      }`,
    );
    expect(await consumer.node('names.mjs')).toBe(NAMES.map((name) => `${name} 0\n`).join(''));
  });

  it('have complete types for ES modules and for CommonJS', async () => {
    const lines = NAMES.map((name, index) => `export * as p${index} from '${name}';\n`);
    consumer.write('types.mts', lines.join(''));
    consumer.write('types.cts', lines.join(''));
    const strict = [
      '--strict',
      '--skipLibCheck',
      'false',
      '--types',
      'node',
      '--target',
      'es2024',
      '--lib',
      'es2024,esnext.disposable',
    ];
    const modules = ['--module', 'nodenext', '--noEmit', 'types.mts', 'types.cts'];
    await consumer.node(path.join(ROOT, 'node_modules/typescript/bin/tsc'), ...strict, ...modules);
  });

  it.each(LIBRARIES)('run the example in the README of %s, with the output that it shows', async (name) => {
    const [, code = '', printed] = EXAMPLE.exec(consumer.read(name, 'README.md')) ?? [];
    const script = `${name.replace(/\W/g, '_')}.mjs`;
    consumer.write(script, code);
    expect(await consumer.node(script)).toBe(printed);
  });

  it('start a fleet without Docker by `npx fnfleet up`, whose functions examples/embed-balancer serves', async () => {
    consumer.copy('e2e/functions', 'functions');
    consumer.copy('examples/embed-balancer/balancer.js', 'balancer.js');
    const port = await freePorts(6);
    const terminal = new Terminal(consumer.folder, {
      ...consumer.footprint.env,
      FN_DRIVER: 'process',
      FN_PROCESS_FUNCTIONS: path.join(consumer.folder, 'functions'),
    });
    const fleet = terminal.run(
      `npx --no-install fnfleet up --port ${port} --grpc-port ${port + 4} --example functions/probe --image probe`,
    );
    fleet.catch(() => undefined);
    try {
      await until({
        what: 'the fleet is up',
        withinMs: 60_000,
        look: () => terminal.output.includes('The fleet is up.') || undefined,
      }).catch((error: Error) => {
        throw new Error(`${error.message}:\n${terminal.output}`);
      });
      const [, fn = ''] = /\/invoke\/(\w+)/.exec(terminal.output) ?? [];
      consumer.write(
        'embedded.js',
        `const { newBalancer } = require('./balancer.js');
        (async () => {
          const addresses = { goldAddresses: ['127.0.0.1:${port + 4}'], otherAddresses: ['127.0.0.1:${port + 5}'] };
          const balancer = newBalancer({ apiUrl: 'http://127.0.0.1:${port}', port: 0, ...addresses });
          await balancer.ready;
          const answer = await fetch(balancer.address.url + '/invoke/${fn}', { method: 'POST', body: '{}' });
          console.log(answer.status, Object.keys(await answer.json()).includes('instance'));
          await balancer.drain({ graceMs: 10_000 });
        })();`,
      );
      expect(await consumer.node('embedded.js')).toBe('200 true\n');
    } finally {
      await terminal.interrupt();
    }
    expect(terminal.output).toContain('npx fnfleet logs probe');
    expect(terminal.output).toContain('stopped and cleaned up');
  });
});
