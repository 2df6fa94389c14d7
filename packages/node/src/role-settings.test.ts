// takes: 3 s
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentSettings } from '@fnfleet/agent';
import { apiSettings } from '@fnfleet/api';
import { readSettings, SettingsError, type SettingsShape } from '@fnfleet/core';
import { discoverySettings, registrationSettings } from '@fnfleet/discovery';
import { httpSettings } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { placementSettings } from '@fnfleet/placement';
import { pureRunnerSettings } from '@fnfleet/pure-runner';
import { commonSettings } from './common-settings.js';
import { driverSettings } from './drivers.js';
import { pureRunnerRole } from './pure-runner.js';
import { ROLES } from './roles.js';

const PARTS = {
  api: [commonSettings, apiSettings],
  lb: [commonSettings, lbSettings, httpSettings, discoverySettings, placementSettings],
  'pure-runner': [
    commonSettings,
    httpSettings,
    pureRunnerSettings,
    agentSettings,
    driverSettings,
    registrationSettings,
  ],
  full: [commonSettings, apiSettings, agentSettings, driverSettings],
};

// Settings of two packages under one name: the second would be taken for the first.
it.each(Object.entries(PARTS))('a node of the role %s has every setting of its parts', (role, parts) => {
  const known = new Set(Object.values(ROLES[role as keyof typeof ROLES].settings).map(({ name }) => name));
  const declared = parts.flatMap((part) => Object.values(part).map(({ name }) => name));
  expect(declared.filter((name) => !known.has(name))).toEqual([]);
});

describe('a setting', () => {
  const settings = Object.values(ROLES).flatMap((role) => Object.values(role.settings as SettingsShape));
  const all = [...new Map(settings.map((setting) => [setting.name, setting])).values()];
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-garbage-'));
    execFileSync('mkfifo', [path.join(folder, 'pipe')]);
    writeFileSync(path.join(folder, 'controls'), 'a\0b\x1b[2Jc\nd');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const GARBAGE = [
    ...['-1', '9'.repeat(400), '1e309', 'NaN', 'Infinity', '0x10', '1.5', '٣', '-', '+', 'null', 'undefined', 'true'],
    ...[
      '{}',
      '[]',
      '{"auths":',
      '"',
      "'",
      '\\',
      '$(id)',
      '%s%n',
      '../../etc/passwd',
      '/dev/zero',
      '://',
      'file://',
      'a=b',
    ],
    ...[
      'http://',
      'https://[',
      'dns://',
      'etcd://x?ttl=-1',
      'k8s://',
      ',',
      ',,,',
      ' , ',
      '*',
      ':',
      '::',
      '[::',
      '1:2:3',
    ],
    ...['x'.repeat(100_000), 'a\nb', 'a\rb', 'a\tb', 'a\x1b[2Jb', '\u202e', '\ud800', '😀'],
  ];

  /** What is wrong, as it would be printed. Undefined: nothing. */
  function trouble(setting: (typeof all)[number], env: Record<string, string>): string | undefined {
    try {
      readSettings({ setting: { ...setting, insteadOf: undefined } }, env);
      return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(SettingsError);
      return (error as Error).message;
    }
  }

  it.each(all.map((setting) => [setting.name, setting] as const))(
    '%s takes any text, or names itself in a message that can be shown',
    (name, setting) => {
      for (const text of GARBAGE) {
        const message = trouble(setting, { [name]: text });
        if (message === undefined) continue;
        expect(message).toMatch(name);
        expect(message.length).toBeLessThan(2_000);
        expect(message).not.toMatch(/(?!\t)[\p{Cc}\p{Bidi_Control}]/u);
      }
    },
  );

  it.each(all.map((setting) => [setting.name, setting] as const))(
    '%s is not read from a pipe, a device, a folder, or a file with control characters',
    (name, setting) => {
      for (const file of ['/dev/zero', '/dev/stdin', folder, path.join(folder, 'pipe'), path.join(folder, 'absent')]) {
        expect(trouble(setting, { [`${name}_FILE`]: file })).toMatch(
          `${name}_FILE: cannot read ${JSON.stringify(file)}: `,
        );
      }
      expect(trouble(setting, { [`${name}_FILE`]: path.join(folder, 'controls') })).toMatch(name);
    },
  );
});

describe('a runner on a unix socket', () => {
  const FN_GRPC_SOCKET = 'unix:/run/fnfleet/runner1';
  const FN_REGISTER = 'etcd://127.0.0.1:2379/fnfleet?ttl=5';
  const check = (env: Record<string, string>) => {
    const settings = readSettings(pureRunnerRole.settings, {
      FN_DRIVER: 'process',
      FN_ADVERTISE_ADDRESS: 'h1',
      ...env,
    });
    for (const one of pureRunnerRole.checks?.(settings) ?? []) one();
  };

  it('is not registered: balancers find registered runners by host and port', () => {
    expect(() => check({ FN_GRPC_SOCKET, FN_REGISTER })).toThrow(SettingsError);
    expect(() => check({ FN_GRPC_SOCKET, FN_REGISTER })).toThrow(/FN_GRPC_SOCKET: cannot be used with FN_REGISTER/);
  });

  it.each`
    what                          | env
    ${'a socket alone'}           | ${{ FN_GRPC_SOCKET }}
    ${'a registered port'}        | ${{ FN_REGISTER }}
    ${'a socket that is not set'} | ${{ FN_REGISTER, FN_GRPC_SOCKET: '' }}
  `('is accepted with $what', ({ env }) => expect(() => check(env)).not.toThrow());
});
