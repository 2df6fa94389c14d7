/**
 * Imports point one way: lb-agent → placement → {protocol, discovery} → core, pure-runner → {agent → drivers, protocol} → core,
 * api → core, cli → node → roles. Nothing imports a role. Checked on what the compiler made (types cannot point the wrong way:
 * the project references of each package allow only what is listed there).
 */
const ALLOWED = {
  core: [],
  'operator-api': [],
  tls: ['core'],
  sqlite: ['core'],
  postgres: ['core'],
  queue: ['core', 'sqlite', 'postgres'],
  http: ['core', 'tls'],
  protocol: ['core', 'tls', 'operator-api'],
  drivers: ['core'],
  discovery: ['core'],
  placement: ['core', 'protocol', 'discovery'],
  agent: ['core', 'drivers'],
  'pure-runner': ['core', 'tls', 'protocol', 'agent'],
  'lb-agent': ['core', 'operator-api', 'tls', 'http', 'protocol', 'discovery', 'placement', 'queue'],
  api: ['core', 'tls', 'http', 'sqlite', 'postgres', 'queue'],
  simulator: ['core', 'protocol', 'placement'],
  node: [
    'core',
    'tls',
    'http',
    'protocol',
    'discovery',
    'placement',
    'drivers',
    'agent',
    'pure-runner',
    'lb-agent',
    'api',
  ],
  testing: ['core', 'tls', 'protocol'],
};

const direction = Object.entries(ALLOWED).map(([name, allowed]) => ({
  name: `${name}-imports-only-below`,
  comment: `${name} may import ${allowed.join(', ') || 'no other package'}; tests may also import testing`,
  severity: 'error',
  from: { path: `^packages/${name}/dist`, pathNot: '(\\.test\\.js$|/test-kit/)' },
  to: { path: '^packages/', pathNot: `^packages/(${[name, ...allowed].join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...direction,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'dockerode-only-in-the-docker-driver',
      severity: 'error',
      from: { pathNot: '^(packages/drivers/dist/docker/|e2e/)' },
      to: { path: 'node_modules/dockerode' },
    },
    {
      name: 'tests-are-not-imported',
      severity: 'error',
      from: {},
      to: { path: '\\.test\\.js$' },
    },
    {
      name: 'no-unlisted-packages',
      severity: 'error',
      from: { path: '^packages/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/src/' },
    combinedDependencies: false,
  },
};
