import { fleetSpecs } from './fleet-specs.js';

it.each`
  nodes                       | names                                          | specs
  ${'api lb runner operator'} | ${'functions.example 10.0.0.4'}                | ${{ api: 'functions.example 10.0.0.4', lb: 'functions.example 10.0.0.4', runner: '', operator: '' }}
  ${'api lb runner'}          | ${'lb=functions.example api=api.example'}      | ${{ api: 'api.example', lb: 'functions.example', runner: '' }}
  ${'api lb runner'}          | ${'localhost runner=127.0.0.1 lb=f.example'}   | ${{ api: 'localhost', lb: 'localhost f.example', runner: '127.0.0.1' }}
  ${'full prometheus'}        | ${'box.example'}                               | ${{ full: 'box.example', prometheus: '' }}
  ${'lb gateway'}             | ${'functions.example'}                         | ${{ lb: 'functions.example', gateway: '' }}
  ${'lb'}                     | ${'spiffe://fleet/lb?zone=a runner=x.example'} | ${{ lb: 'spiffe://fleet/lb?zone=a runner=x.example' }}
  ${'lb'}                     | ${'lb=spiffe://fleet/lb?zone=a'}               | ${{ lb: 'spiffe://fleet/lb?zone=a' }}
`('gives each of $nodes its own names from $names', ({ nodes, names, specs }) => {
  const made = fleetSpecs(nodes.split(' '), names.split(' '));
  expect(Object.fromEntries(made.map(({ name, sans }) => [name, sans.join(' ')]))).toEqual(specs);
});

it.each([
  ['lb', 'lb'],
  ['lb2', 'lb'],
  ['lb-eu', 'lb'],
  ['runner', 'pure-runner'],
  ['runner.a', 'pure-runner'],
  ['pure-runner-7', 'pure-runner'],
  ['prometheus', 'operator'],
  ['operator', 'operator'],
  ['lbs', undefined],
  ['apis-gateway', undefined],
  ['constructor', undefined],
])('a node named %s gets the role %s', (name, role) => {
  expect(fleetSpecs([name], [])[0]?.role).toBe(role);
});
