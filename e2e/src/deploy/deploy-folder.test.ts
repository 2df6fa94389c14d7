// needs: kubectl
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { testTool } from '@fnfleet/testing';
import { ROLES } from 'fnfleet';
import { ROOT } from '../harness/paths.js';
import { composeEnvironments } from './compose-files.js';
import { buildOverlay, overlays } from './kubernetes-objects.js';
import { problemsOf, type RoleEnvironment } from './role-environment.js';
import { systemdUnits } from './systemd-units.js';

jest.setTimeout(120_000);

const FILES = [
  ...globSync('deploy/**/*', { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('certs'))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name))),
  'docs/deploying.md',
].sort();
/** What commands read, not nodes. */
const OF_COMMANDS = ['FN_API_URL', 'FN_LB_URL', 'FN_TOKEN'];

const text = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

async function environments(): Promise<RoleEnvironment[]> {
  const kubectl = await testTool('kubectl');
  const built = await Promise.all(overlays().map((name) => buildOverlay(kubectl, name)));
  return [
    ...systemdUnits().map(({ environment }) => environment),
    ...composeEnvironments(),
    ...built.flatMap((overlay) => overlay.environments),
  ];
}

it('no file names a setting that there is not', () => {
  const declared = Object.values(ROLES).flatMap(({ settings }) => Object.values(settings).map(({ name }) => name));
  const known = new Set([...declared, ...declared.map((name) => `${name}_FILE`), ...OF_COMMANDS]);
  const unknown = FILES.flatMap((file) =>
    [...text(file).matchAll(/\bFN_[A-Z][A-Z_]*[A-Z]\b/g)].flatMap(([name]) =>
      known.has(name) ? [] : `${file}: ${name}`,
    ),
  );
  expect(unknown).toEqual([]);
});

it('every role of every target has settings that it takes, and the same ones where it matters', async () => {
  const all = await environments();
  expect(all).toHaveLength(3 * (1 + 2 + overlays().length));
  expect(all.flatMap((found) => problemsOf(found).map((problem) => `${found.where}: ${problem}`))).toEqual([]);
  for (const { where, env } of all) {
    // TLS, and time to drain. Those whose certificates are taken, and a token for operators but where functions run.
    const given = ['FN_TLS_CERT', 'FN_TLS_KEY', 'FN_TLS_CA'].filter((name) => env[name]);
    expect([where, given.length, env.FN_ALLOW_INSECURE, env.FN_DRAIN_GRACE_MSECS]).toEqual([
      where,
      3,
      undefined,
      '45000',
    ]);
    const isRunner = env.FN_NODE_TYPE === 'pure-runner';
    expect([where, env.FN_TLS_ALLOWED_NAMES, env.FN_OPERATOR_TOKEN_FILE !== undefined]).toEqual([
      where,
      env.FN_NODE_TYPE === 'lb' ? 'urn:fnfleet:role:operator' : 'urn:fnfleet:role:lb,urn:fnfleet:role:operator',
      !isRunner,
    ]);
    if (env.FN_NODE_TYPE !== 'lb') continue;
    expect([where, env.FN_TLS_RUNNER_NAME, env.FN_HTTP_CLIENT_CERTS]).toEqual([where, 'runner', 'optional']);
  }
});

/** The narrowest that works: for each role, and what a node of it may be sent. */
const CONNECTIONS = { api: '1000', lb: '4000', 'pure-runner': '200' };

it('every port of every target is bounded in what a stranger can make it hold', async () => {
  for (const { where, env } of await environments()) {
    const role = env.FN_NODE_TYPE as keyof typeof CONNECTIONS;
    expect({ where, ...env }).toMatchObject({
      where,
      FN_MAX_REQUEST_HEADER_SIZE: '16384',
      FN_REQUEST_HEADER_READ_TIMEOUT: '5s',
      FN_HTTP_STALL_TIMEOUT: '30s',
      FN_HTTP_IDLE_TIMEOUT: '75s',
      FN_HTTP_MAX_CONNECTIONS: CONNECTIONS[role],
      ...(role === 'api' && { FN_MAX_REQUEST_SIZE: '1048576', FN_REQUEST_BODY_READ_TIMEOUT: '30s' }),
    });
  }
});

it('every image has one tag, wherever it is named', () => {
  const tags = new Map<string, Set<string>>();
  const image = /\b((?:fnfleet\/fnfleet|prom\/prometheus|grafana\/grafana|docker)):(v?\d[\w.-]*|latest)\b/g;
  for (const file of FILES) {
    for (const [, name = '', tag = ''] of text(file).matchAll(image))
      tags.set(name, (tags.get(name) ?? new Set()).add(tag));
  }
  expect([...tags.keys()].sort()).toEqual(['docker', 'fnfleet/fnfleet', 'grafana/grafana', 'prom/prometheus']);
  for (const [name, found] of tags) expect([name, found.size]).toEqual([name, 1]);
});

it('every link leads to something', () => {
  const broken = FILES.filter((file) => file.endsWith('.md')).flatMap((file) =>
    [...text(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].flatMap(([, link = '']) =>
      existsSync(path.join(ROOT, path.dirname(file), link)) ? [] : `${file}: ${link}`,
    ),
  );
  expect(broken).toEqual([]);
});

it('every file of deploy that a page or a comment names is there', () => {
  const missing = FILES.flatMap((file) =>
    [...text(file).matchAll(/\bdeploy\/[\w./-]*\w/g)].flatMap(([named]) =>
      // Those are made by whoever deploys.
      existsSync(path.join(ROOT, named)) || named.includes('/certs') || named.endsWith('.env')
        ? []
        : `${file}: ${named}`,
    ),
  );
  expect(missing).toEqual([]);
});
