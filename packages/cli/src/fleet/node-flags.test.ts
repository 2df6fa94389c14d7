import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const BIN = path.join(__dirname, '../../bin');
const FLAGS = readFileSync(path.join(BIN, 'node-flags'), 'utf8').trim().split(' ');

/** The flags that Node runs with when `fnfleet` is started with such NODE_OPTIONS. */
function flagsOfCommand(nodeOptions?: string): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-flags-'));
  try {
    for (const name of ['fnfleet', 'node-flags']) cpSync(path.join(BIN, name), path.join(folder, name));
    writeFileSync(path.join(folder, 'fnfleet.js'), 'console.log(JSON.stringify(process.execArgv))');
    const PATH = `${path.dirname(process.execPath)}:${process.env.PATH}`;
    const env = { PATH, ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }) };
    return JSON.parse(execFileSync(path.join(folder, 'fnfleet'), { encoding: 'utf8', env })) as string[];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the garbage collector flags of a role', () => {
  it('are set by the command and by the image', () => {
    expect(FLAGS).toEqual([expect.stringMatching(/^--max-semi-space-size=\d+$/)]);
    expect(flagsOfCommand()).toEqual(FLAGS);
    const dockerfile = readFileSync(path.join(__dirname, '../../../../deploy/docker/Dockerfile'), 'utf8');
    expect(dockerfile).toContain(`ENTRYPOINT ["node", ${FLAGS.map((flag) => `"${flag}"`).join(', ')}, `);
  });

  it('are left to an operator who sets them in NODE_OPTIONS', () => {
    expect(flagsOfCommand('--enable-source-maps')).toEqual(FLAGS);
    expect(flagsOfCommand('--max-semi-space-size=8')).toEqual([]);
  });
});
