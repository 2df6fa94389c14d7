import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bytes,
  choice,
  duration,
  durationMs,
  flag,
  integer,
  limit,
  list,
  renderSettings,
  structured,
  text,
} from './declare.js';
import { readSettings, readWhatFits, SettingsError } from './read.js';

const shape = {
  port: integer('FN_PORT', { default: 8080, min: 0, max: 65535, doc: 'The port.' }),
  apiUrl: text('FN_RUNNER_API_URL', { required: true, doc: 'The api node.' }),
  token: text('FN_TOKEN', { secret: true, doc: 'A secret.' }),
  memory: bytes('FN_MEMORY', { doc: 'Memory.' }),
  freezeMs: durationMs('FN_FREEZE', { default: 50, negativeIsNever: true, doc: 'When to freeze.' }),
  idleMs: duration('FN_IDLE', { default: 0, doc: 'When to close.' }),
  level: choice('FN_LEVEL', ['info', 'debug'], { default: 'info', doc: 'How much to say.' }),
  strict: flag('FN_STRICT', { default: false, doc: 'Whether to be strict.' }),
  origins: list('FN_ORIGINS', { default: [], doc: 'Origins.' }),
} as const;

describe('settings', () => {
  it('have defaults, and an empty variable counts as unset', () => {
    expect(readSettings(shape, { FN_RUNNER_API_URL: 'http://api', FN_PORT: '', FN_LEVEL: ' ' })).toEqual({
      port: 8080,
      apiUrl: 'http://api',
      token: undefined,
      memory: undefined,
      freezeMs: 50,
      idleMs: 0,
      level: 'info',
      strict: false,
      origins: [],
    });
  });

  it('are read with their units', () => {
    const settings = readSettings(shape, {
      FN_RUNNER_API_URL: 'http://api',
      FN_PORT: '9999',
      FN_MEMORY: '1048576',
      FN_FREEZE: '-1',
      FN_IDLE: '2m5s',
      FN_LEVEL: 'debug',
      FN_STRICT: 'TRUE',
      FN_ORIGINS: 'a, b,,c',
    });
    expect(settings).toMatchObject({
      port: 9999,
      memory: 1_048_576,
      freezeMs: Number.POSITIVE_INFINITY,
      idleMs: 125_000,
      level: 'debug',
      strict: true,
      origins: ['a', 'b', 'c'],
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('http-api 10: report all problems at once', () => {
    const env = { FN_PORT: '70000', FN_FREEZE: '50ms', FN_IDLE: 'soon', FN_LEVEL: 'loud', FN_STRICT: 'maybe' };
    let problem: unknown;
    try {
      readSettings(shape, env);
    } catch (error) {
      problem = error;
    }
    expect(problem).toBeInstanceOf(SettingsError);
    expect((problem as SettingsError).problems).toEqual([
      'FN_PORT: expected a whole number from 0 to 65535, got "70000"',
      'FN_RUNNER_API_URL: required: expected text. The api node.',
      'FN_FREEZE: expected a whole number of milliseconds (negative: never), got "50ms"',
      'FN_IDLE: expected a duration such as 2m5s, or whole seconds, got "soon"',
      'FN_LEVEL: expected one of info, debug, got "loud"',
      'FN_STRICT: expected 1 or true, 0 or false, got "maybe"',
    ]);
    expect((problem as SettingsError).message).toMatch(/^6 settings are wrong:\n {2}FN_PORT/);
  });

  it('agent-and-docker 84: that limit a process must not be empty, and may exceed what Docker can represent', () => {
    const limits = { files: limit('FN_FILES', { default: 350, doc: 'Files.' }) };
    const read = (value: string | undefined) => readSettings(limits, { FN_FILES: value }).files;
    expect(read(undefined)).toBe(350);
    expect(read('0')).toBe(0);
    expect(read('9223372036854775807')).toBe(Number.MAX_SAFE_INTEGER);
    expect(read('9223372036854775808')).toBe(Number.POSITIVE_INFINITY);
    for (const wrong of ['', '-1', '1k', '18446744073709551616']) {
      expect(() => read(wrong)).toThrow(
        `FN_FILES: expected a whole number from 0 to 18446744073709551615, got "${wrong}"`,
      );
    }
  });

  it('do not print an invalid secret', () => {
    const secret = { port: integer('FN_PIN', { secret: true, doc: 'A secret number.' }) };
    expect(() => readSettings(secret, { FN_PIN: 'hunter2' })).toThrow('FN_PIN: expected a whole number, got something');
  });

  it('with their own format say why a value is invalid, without quoting a secret', () => {
    const parse = (value: string): readonly number[] => {
      const parts = value.split('x').map(Number);
      if (parts.some(Number.isNaN)) throw new Error('a side is not a number');
      return parts;
    };
    const shape = {
      size: structured('SIZE', 'a size like 3x4', parse, { doc: '' }),
      lock: structured('LOCK', 'a code like 3x4', parse, { doc: '', secret: true }),
    };
    expect(readSettings(shape, { SIZE: '3x4' })).toEqual({ size: [3, 4], lock: undefined });
    expect(() => readSettings(shape, { SIZE: '3xa' })).toThrow(
      /^SIZE: expected a size like 3x4, got "3xa": a side is not a number$/,
    );
    expect(() => readSettings(shape, { LOCK: '3xa' })).toThrow(
      /^LOCK: expected a code like 3x4, got something else: a side is not a number$/,
    );
  });

  it('can replace one another: exactly one of the two is given', () => {
    const either = {
      list: text('FN_LIST', { doc: 'A list.' }),
      source: text('FN_SOURCE', { insteadOf: 'FN_LIST', doc: 'Where the list is.' }),
    };
    expect(readSettings(either, { FN_LIST: 'a' })).toEqual({ list: 'a', source: undefined });
    expect(readSettings(either, { FN_LIST: ' ', FN_SOURCE: 'b' })).toEqual({ list: undefined, source: 'b' });
    expect(() => readSettings(either, {})).toThrow(/^FN_LIST: required, or FN_SOURCE in its place$/);
    expect(() => readSettings(either, { FN_LIST: 'a', FN_SOURCE: 'b' })).toThrow(
      /^FN_LIST, FN_SOURCE: only one of them may be set/,
    );
  });

  describe('that were renamed', () => {
    const renamed = {
      timeoutMs: durationMs('FN_TIMEOUT', { formerly: 'FN_SILENCE', default: 5000, doc: 'A timeout.' }),
      key: text('FN_KEY', { formerly: 'FN_PASS', secret: true, doc: 'A key.' }),
    };
    const read = (env: Record<string, string>) => readSettings(renamed, env);

    it('are still read from the former name', () => {
      expect(read({ FN_SILENCE: '100' }).timeoutMs).toBe(100);
      expect(readWhatFits(renamed, { FN_SILENCE: '100' }).timeoutMs).toBe(100);
    });

    it('may be given by both names, with the same value', () => {
      expect(read({ FN_TIMEOUT: '100', FN_SILENCE: ' 100 ' }).timeoutMs).toBe(100);
      expect(read({ FN_TIMEOUT: '100', FN_SILENCE: '' }).timeoutMs).toBe(100);
    });

    it('are refused when the two names have different values, which are not shown', () => {
      expect(() => read({ FN_KEY: 'hunter2', FN_PASS: 'hunter3' })).toThrow(
        /^FN_KEY, FN_PASS: the second is the former name of the first, and their values differ$/,
      );
    });

    it('are reported under the name they were given by when the value is invalid', () => {
      expect(() => read({ FN_SILENCE: 'soon' })).toThrow(
        /^FN_TIMEOUT: expected a whole number of milliseconds, got "soon" \(from FN_SILENCE, its former name\)$/,
      );
    });

    it('are described with the former name', () => {
      const table = renderSettings([{ title: '', intro: '', shape: renamed }]);
      expect(table).toContain('| 5000 | A timeout. Formerly `FN_SILENCE`. |');
    });
  });

  describe('in a file', () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'fnfleet-settings-'));
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    it('http-api 11: are read from the file in <NAME>_FILE, unless the variable itself is set', () => {
      const path = join(directory, 'port');
      writeFileSync(path, '9999\n');
      const env = { FN_RUNNER_API_URL: 'http://api', FN_PORT_FILE: path };
      expect(readSettings(shape, env).port).toBe(9999);
      expect(readSettings(shape, { ...env, FN_PORT: '1' }).port).toBe(1);
    });

    it('are read from the file that the former name points to, and must not differ from the current one', () => {
      const path = join(directory, 'timeout');
      writeFileSync(path, '100\n');
      const renamed = { timeoutMs: durationMs('FN_TIMEOUT', { formerly: 'FN_SILENCE', doc: 'A timeout.' }) };
      expect(readSettings(renamed, { FN_SILENCE_FILE: path }).timeoutMs).toBe(100);
      expect(() => readSettings(renamed, { FN_SILENCE_FILE: path, FN_TIMEOUT: '200' })).toThrow(/values differ$/);
    });

    it('say which file cannot be read', () => {
      const env = { FN_RUNNER_API_URL: 'http://api', FN_PORT_FILE: join(directory, 'absent') };
      expect(() => readSettings(shape, env)).toThrow(/^FN_PORT_FILE: cannot read ".*absent": ENOENT/);
    });
  });

  it('are rendered as a table', () => {
    const table = renderSettings([{ title: 'A port', intro: 'Where to listen.', shape: { port: shape.port } }]);
    expect(table).toContain('## A port\n\nWhere to listen.\n');
    expect(table).toContain('| `FN_PORT` | a whole number from 0 to 65535 | 8080 | The port. |');
    const required = renderSettings([{ title: '', intro: '', shape: { url: shape.apiUrl, level: shape.memory } }]);
    expect(required).toContain('| `FN_RUNNER_API_URL` | text | required |');
    expect(required).toContain('| a whole number of bytes | unset |');
  });
});
