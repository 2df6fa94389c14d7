import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The npm packages that the code of a role loads, in a process of its own. */
async function packagesOf(role: string): Promise<Set<string>> {
  const script = `require(${JSON.stringify(path.join(__dirname, `${role}.js`))});
    console.log(JSON.stringify(Object.keys(require.cache)));`;
  const { stdout } = await run(process.execPath, ['-e', script], { env: { ...process.env, NODE_OPTIONS: '' } });
  const files = JSON.parse(stdout) as string[];
  return new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []));
}

it.each(['lb', 'pure-runner'])('the role %s does not load the validator of resources', async (role) => {
  const packages = await packagesOf(role);
  expect(packages).toContain('@opentelemetry/api');
  expect(packages).not.toContain('zod');
});

it('an API node does', async () => {
  expect(await packagesOf('api')).toContain('zod');
});
