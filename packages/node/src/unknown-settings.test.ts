import { silentLogger } from '@fnfleet/core';
import { SETTINGS_SECTIONS } from './roles.js';
import { formerSettings, unknownSettings, warnOfSettingNames } from './unknown-settings.js';
import { FORMER_NAMES, VARIABLE_NAMES } from './variable-names.js';

it('knows every setting of every role, and its file', () => {
  const names = SETTINGS_SECTIONS.flatMap(({ shape }) => Object.values(shape).map(({ name }) => name));
  const env = Object.fromEntries(
    names.flatMap((name) => [
      [name, 'x'],
      [`${name}_FILE`, '/x'],
    ]),
  );
  expect(names.length).toBeGreaterThan(100);
  expect(unknownSettings(env)).toEqual([]);
});

describe('a setting that was renamed', () => {
  it('is known by its former name, and its file too', () => {
    expect(unknownSettings({ FN_TRACE_FILE: '/x', FN_TRACE_FILE_FILE: '/x' })).toEqual([]);
    expect(unknownSettings({ FN_RUNNER_SILENCE_MSECS: '1', FN_BALANCER_SILENCE_MSECS_FILE: '/x' })).toEqual([]);
  });

  it('is logged once, with the name to use', () => {
    const warn = jest.fn();
    warnOfSettingNames({ FN_RUNNER_SILENCE_MSECS_FILE: '/x' }, { ...silentLogger, warn });
    expect(warn.mock.calls).toEqual([
      [
        expect.stringContaining('renamed'),
        { name: 'FN_RUNNER_SILENCE_MSECS_FILE', use: 'FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS_FILE' },
      ],
    ]);
  });

  it('is not mentioned when it is unset or empty', () => {
    expect(formerSettings({ FN_RUNNER_SILENCE_MSECS: ' ', FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS: '1' })).toEqual([]);
  });

  it('has a current name, and its former one is no longer in use', () => {
    const current = new Set(VARIABLE_NAMES);
    expect(Object.values(FORMER_NAMES).filter((name) => !current.has(name))).toEqual([]);
    expect(Object.keys(FORMER_NAMES).filter((name) => current.has(name))).toEqual([]);
  });
});

it.each([
  ['FN_PLACR', 'did you mean FN_PLACER?'],
  ['FN_PALCER', 'did you mean FN_PLACER?'],
  ['FN_LOG_LEVELS', 'did you mean FN_LOG_LEVEL?'],
  ['FN_MAX_TOTAL_MEMORY', 'fnfleet node --help lists all settings'],
  ['FN_FREEZE_IDLE_MSEC', 'did you mean FN_FREEZE_IDLE_MSECS?'],
  ['FN_LOG_FORMAT_FILES', 'fnfleet node --help lists all settings'],
  ['FN_LOG_DEST', 'a setting of Fn, see docs/moving-from-fn.md'],
  ['FN_LOGSTORE_URL', 'a setting of Fn, see docs/moving-from-fn.md'],
  ['FN_', 'fnfleet node --help lists all settings'],
  [`FN_${'X'.repeat(100_000)}`, 'fnfleet node --help lists all settings'],
])('is reported with a suggestion (%#)', (name, hint) => {
  expect(unknownSettings({ [name]: 'x' })).toEqual([{ name: expect.stringContaining(name.slice(0, 90)), hint }]);
});

it.each([
  ['what is empty, which counts as unset', 'FN_PLACR', ' '],
  ['what is not ours', 'PATH_FN_PLACR', 'x'],
  ['a variable of a command', 'FN_API_URL', 'http://api'],
  ['a variable of the fn command line', 'FN_CONTEXT', 'default'],
])('ignores %s', (_, name, value) => expect(unknownSettings({ [name]: value })).toEqual([]));

it('ignores only the variables of Kubernetes for a service whose name begins with fn', () => {
  const service = {
    FN_LB_SERVICE_HOST: '10.0.0.1',
    FN_LB_SERVICE_PORT: '8081',
    FN_LB_SERVICE_PORT_HTTP: '8081',
    FN_LB_PORT: 'tcp://10.0.0.1:8081',
    FN_LB_PORT_8081_TCP: 'tcp://10.0.0.1:8081',
    FN_LB_PORT_8081_TCP_ADDR: '10.0.0.1',
  };
  expect(unknownSettings({ ...service, FN_HTTP_PORT: '8080' })).toEqual([
    { name: 'FN_HTTP_PORT', hint: expect.any(String) },
  ]);
});

it('reports at most twenty, without control characters', () => {
  const env = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`FN_Z\u001b[2J\n${n}`, 'x']));
  const found = unknownSettings(env);
  expect(found).toHaveLength(20);
  expect(JSON.stringify(found)).not.toMatch(/\\u001b(?!.)|\\n/);
});
