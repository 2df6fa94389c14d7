import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFuncFile } from './read-func-file.js';

const folder = mkdtempSync(path.join(tmpdir(), 'func-file-'));
const FILE = path.join(folder, 'func.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, options?: Parameters<typeof readFuncFile>[1]) {
  writeFileSync(FILE, text);
  return readFuncFile(folder, options);
}

/** What is wrong, without the folder. */
function problemOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    return (error as Error).message.replaceAll(`${folder}/`, '');
  }
  return 'none';
}

it('reads files that the fn command line writes', () => {
  expect(
    read(
      'schema_version: 20180708\nname: hello\nversion: 0.0.2\nmemory: 256\ntimeout: 10\nconfig:\n  A: b\ntriggers:\n- name: t\n  type: http\n  source: /t\n',
    ),
  ).toMatchObject({
    spec: { name: 'hello', image: 'hello:0.0.2', memory: 256, timeout: 10, config: { A: 'b' } },
    triggers: [{ name: 't', type: 'http', source: '/t' }],
    notes: [],
  });
});

// What `fn` makes of each, which reads a text as it is written, whatever type it looks like.
it.each([
  ['5', '5'],
  ['0.10', '0.10'],
  ['1e3', '1e3'],
  ['0755', '0755'],
  ['0x1F', '0x1F'],
  ['1_000', '1_000'],
  ['12:30:45', '12:30:45'],
  ['true', 'true'],
  ['Yes', 'Yes'],
  ['off', 'off'],
  ['2026-11-28', '2026-11-28'],
  ['.inf', '.inf'],
  ['"5"', '5'],
  ["'~'", '~'],
  ['!!str null', 'null'],
  ['!!binary aGVsbG8=', 'hello'],
  ['"a\\nb"', 'a\nb'],
  ['|\n    a\n    b', 'a\nb\n'],
  ['>-\n    a\n    b', 'a b'],
  ['', ''],
  ['~', ''],
  ['null', ''],
  ['postgres://u:p@h/db # the database', 'postgres://u:p@h/db'],
])('reads the configuration value %j as the text %j', (written, text) => {
  expect(read(`name: a\nconfig:\n  KEY: ${written}\n`).spec.config).toEqual({ KEY: text });
});

it('reads configuration keys literally, too', () => {
  const { config } = read('name: a\nconfig: {no: norway, on: "1", 1: one, 01: "1", __proto__: p}\n').spec;
  expect(Object.entries(config ?? {})).toEqual(
    [
      ['no', 'norway'],
      ['on', '1'],
      ['1', 'one'],
      ['01', '1'],
      ['__proto__', 'p'],
    ].sort(([a = '']) => (a === '1' ? -1 : 0)),
  );
});

it.each([
  ['1.0', 'a:1.0'],
  ['0.10', 'a:0.10'],
  ['1e3', 'a:1e3'],
  ['0x10', 'a:0x10'],
  ['"0.0.1"', 'a:0.0.1'],
  ['""', 'a'],
  ['~', 'a'],
])('version: %s names the image %s', (version, image) => {
  expect(read(`name: a\nversion: ${version}\n`).spec.image).toBe(image);
});

it.each([
  ['without a version', 'name: a\n', undefined, 'a'],
  ['an image of its own', 'name: a\nversion: 2\nimage: registry.example/a:1\n', 'me', 'registry.example/a:1'],
  ['an owner', 'name: a\nversion: 2\n', 'me', 'me/a:2'],
  [
    'a registry with a slash at its end',
    'name: a\nversion: 2\n',
    'registry.example:5000/me/',
    'registry.example:5000/me/a:2',
  ],
  ['a registry that is empty', 'name: a\nversion: 2\n', '', 'a:2'],
])('names the image: %s', (_, text, registry, image) => {
  expect(read(text, { registry }).spec.image).toBe(image);
});

it('uses the name of the folder if there is no name, as fn does', () => {
  expect(read('version: 0.0.1\n').spec.name).toBe(path.basename(folder));
});

it('resolves aliases and merge keys; own keys of a map win, then the map that is merged first', () => {
  const { spec } = read(`
x-common: &common {A: 0.10, B: common}
x-other: &other
  B: other
  C: &c 007
name: a
config:
  B: own
  <<: [*common, *other]
  D: *c
annotations:
  <<: {team: shop}
`);
  expect(spec.config).toEqual({ A: '0.10', B: 'own', C: '007', D: '007' });
  expect(spec.annotations).toEqual({ team: 'shop' });
});

it('reads annotations as JSON values', () => {
  const { annotations } = read(`name: a
annotations:
  fnfleet/standby: 2
  fnfleet/idempotent: true
  example.com/list: [1, 0.5, x, ~, {k: 0.10}]
  example.com/date: 2026-11-28
  example.com/time: 12:30
`).spec;
  expect(annotations).toEqual({
    'fnfleet/standby': 2,
    'fnfleet/idempotent': true,
    'example.com/list': [1, 0.5, 'x', null, { k: 0.1 }],
    'example.com/date': '2026-11-28',
    'example.com/time': '12:30',
  });
});

it.each([
  ['a list in the configuration', 'name: a\nconfig:\n  A: [1]\n', 'func.yaml:3: config.A: expected text, got a list'],
  [
    'a map in the configuration',
    'name: a\nconfig:\n  A:\n    B: 1\n',
    'func.yaml:3: config.A: expected text, got a map',
  ],
  [
    'a configuration that is text',
    'name: a\nconfig: A=1\n',
    'func.yaml:2: config: expected a map of keys and values, got a single value',
  ],
  [
    'a key that is a list',
    'name: a\nconfig:\n  ? [a]\n  : 1\n',
    'func.yaml:3: config: expected text as a key, got a list',
  ],
  ['a key that is there twice', 'config:\n  A: 1\n  A: 2\n', 'func.yaml:3: config.A: duplicate key'],
  ['a merge of text', 'config:\n  <<: text\n', 'func.yaml:2: config.<<: expected a map to merge, got a single value'],
  ['a version that is a list', 'name: a\nversion: [1]\n', 'func.yaml:2: version: expected text, got a list'],
  ['memory in words', 'name: a\nmemory: much\n', 'func.yaml:2: memory: expected a whole number, got "much"'],
  ['a time with a fraction', 'timeout: 1.5\n', 'func.yaml:1: timeout: expected a whole number, got "1.5"'],
  ['a time of minutes and seconds', 'timeout: 1:30\n', 'func.yaml:1: timeout: expected a whole number, got "1:30"'],
  ['a number in quotes', 'memory: "128"\n', 'func.yaml:1: memory: expected a whole number, got the text "128"'],
  [
    'a number that could be octal',
    'memory: 0256\n',
    'func.yaml:1: memory: expected a whole number, got "0256": leave out the leading zero',
  ],
  ['a negative time', 'timeout: -1\n', 'func.yaml:1: timeout: expected a whole number of at least 0, got -1'],
  ['triggers that are no list', 'triggers: /t\n', 'func.yaml:1: triggers: expected a list, got a single value'],
  [
    'a trigger that is text',
    'triggers: [t]\n',
    'func.yaml:1: triggers[0]: expected a map of keys and values, got a single value',
  ],
  [
    'a trigger without a source',
    'triggers:\n- name: t\n',
    'func.yaml:2: triggers[0]: expected a source, a path that begins with a slash, got none',
  ],
  [
    'a trigger without a slash',
    'triggers:\n- name: t\n  source: t\n',
    'func.yaml:3: triggers[0].source: expected a source, a path that begins with a slash, got "t"',
  ],
  [
    'a trigger of another type',
    'triggers:\n- {name: t, source: /t, type: cron}\n',
    'func.yaml:2: triggers[0].type: expected http or schedule, got "cron"',
  ],
  [
    'two triggers of one name',
    'triggers:\n- {name: t, source: /t}\n- {name: t, source: /u}\n',
    'func.yaml:3: triggers[1].name: two triggers have the name "t"',
  ],
  [
    'two triggers of one source',
    'triggers:\n- {name: t, source: /t}\n- {name: u, source: /t}\n',
    'func.yaml:3: triggers[1].source: two triggers have the source "/t"',
  ],
  [
    'a schedule with its options in two places',
    'triggers:\n- {name: s, type: schedule, source: "@daily", schedule: {}, annotations: {fnfleet/schedule: {}}}\n',
    'func.yaml:2: triggers[0].schedule: the annotation fnfleet/schedule has the options as well: write one of them',
  ],
  [
    'a name with an owner',
    'name: me/hello\n',
    'func.yaml:1: name: a function\'s name has no slash, got "me/hello": write `name: hello`, and name the registry with FN_REGISTRY or `image`',
  ],
  [
    'a number that JSON does not hold',
    'annotations:\n  a: 12345678901234567890\n',
    'func.yaml:2: annotations.a: a number that JSON cannot hold exactly; write it in quotes',
  ],
  ['an alias of nothing', 'config:\n  A: *b\n', 'func.yaml:2: config.A: no anchor &b before it'],
  ['a list alone', '- a\n', 'func.yaml:1: expected a map of keys and values, got a list'],
  ['no YAML', 'name: a\nconfig: [\n', /^func\.yaml:3: Flow sequence in block collection must be/],
  [
    'control characters',
    'name: a\ntriggers:\n- name: "\\e[2J"\n  type: "\\e[2J"\n',
    'func.yaml:4: triggers[0].type: expected http or schedule, got "\\\\u001b[2J"',
  ],
])('reports position and reason of an error: %s', (_, text, problem) => {
  if (problem instanceof RegExp) expect(problemOf(text)).toMatch(problem);
  else expect(problemOf(text)).toBe(problem);
});

const bomb = (open: string, close: string) =>
  [
    'a: &a0 x',
    ...Array.from({ length: 9 }, (_, n) => `b${n}: &a${n + 1} ${open}${Array(9).fill(`*a${n}`).join(', ')}${close}`),
  ].join('\n');

it.each([
  ['aliases that multiply', `${bomb('[', ']')}\nannotations: {a: *a9}\n`, /annotations\.a.*more than 10000 values/],
  [
    'merges that multiply',
    `${Array.from(
      { length: 9 },
      (_, n) =>
        `b${n}: &a${n + 1} {<<: [${Array(9)
          .fill(n === 0 ? '{x: 1}' : `*a${n}`)
          .join(', ')}]}`,
    ).join('\n')}\nconfig: {<<: *a9}\n`,
    /more than 10000 values/,
  ],
  ['an alias of itself', 'annotations: {a: &a [*a]}\n', /annotations\.a.*: nested more than 50 levels deep/],
  ['a merge of itself', 'config: &a {<<: *a}\n', /: maps merged more than 50 levels deep/],
  ['lists within each other', `name: ${'['.repeat(100_000)}`, /^func\.yaml:1: nested too deep/],
  ['a long file', `name: a\n#${'x'.repeat(128 * 1024)}`, /cannot read func\.yaml: it has more than 131072 bytes/],
])('refuses input of excessive cost: %s', (_, text, problem) => {
  expect(problemOf(text)).toMatch(problem);
  // The next is read as ever.
  expect(read('name: a\n').spec.name).toBe('a');
});

describe('what has no effect', () => {
  const notes = (text: string) => read(text).notes.map((note) => note.replaceAll(`${folder}/`, ''));

  it.each([
    [
      'a mistyped key',
      'name: a\ntime_out: 5\n',
      'func.yaml:2: time_out is unknown and has no effect; did you mean timeout?',
    ],
    [
      'a key in capitals',
      'name: a\nMemory: 5\n',
      'func.yaml:2: Memory is unknown and has no effect; did you mean memory?',
    ],
    ['a key like none', 'name: a\nfavourite: red\n', 'func.yaml:2: favourite is unknown and has no effect'],
    [
      'a mistyped key of a trigger',
      'triggers:\n- {name: t, source: /t, typ: http}\n',
      'func.yaml:2: triggers[0].typ is unknown and has no effect; did you mean type?',
    ],
    [
      'commands before the build',
      'name: a\nbuild: [make]\n',
      'func.yaml:2: build has no effect: commands are not run on this machine; put them into a Dockerfile',
    ],
    [
      'a route',
      'name: a\npath: /a\n',
      'func.yaml:2: path has no effect: routes no longer exist: write a list of triggers, each with name, type http and source',
    ],
    [
      'a mistyped annotation of ours',
      'annotations: {fnfleet/stanby: 1, team: x}\n',
      'func.yaml:1: annotations.fnfleet/stanby is unknown and has no effect; did you mean fnfleet/standby?',
    ],
    [
      'an annotation that none of ours is like',
      'annotations: {fnfleet/pool: a}\n',
      'func.yaml:1: annotations.fnfleet/pool is unknown and has no effect; did you mean fnfleet/standby or fnfleet/idempotent or fnfleet/async or fnfleet/callbacks?',
    ],
    [
      'an annotation of functions in a trigger',
      'triggers:\n- {name: t, source: /t, annotations: {fnfleet/async: {attempts: 2}}}\n',
      'func.yaml:2: triggers[0].annotations.fnfleet/async is unknown and has no effect; did you mean fnfleet/invoke-type?',
    ],
    ['another document', 'name: a\n---\nname: b\n', 'func.yaml: documents after the first one are ignored'],
    ['an older schema', 'schema_version: 1\nname: a\n', 'func.yaml:1: schema_version is 1; it is read as 20180708'],
  ])('is reported: %s', (_, text, note) => expect(notes(text)).toEqual([note]));

  it('is not reported of annotations that decide about asynchronous calls', () => {
    const ofFn = 'annotations: {fnfleet/async: {attempts: 2}, fnfleet/callbacks: {on_failure: {fn_id: f}}}';
    const ofTriggers = 'triggers:\n- {name: t, source: /t, annotations: {fnfleet/invoke-type: async, team: x}}\n';
    const schedule = "- {name: s, type: schedule, source: '@daily', annotations: {fnfleet/schedule: {paused: true}}}\n";
    const file = read(`${ofFn}\n${ofTriggers}${schedule}`);
    expect(file.notes).toEqual([]);
    expect(file.spec.annotations).toMatchObject({ 'fnfleet/async': { attempts: 2 } });
    expect(file.triggers.map(({ annotations }) => annotations)).toEqual([
      { 'fnfleet/invoke-type': 'async', team: 'x' },
      { 'fnfleet/schedule': { paused: true } },
    ]);
  });

  it('is not reported where anchors for aliases are kept', () => {
    expect(notes('name: a\nx-anything: 1\nshared: &shared {A: 1}\nconfig: *shared\n')).toEqual([]);
  });

  it('is limited to twenty lines and a count of further ones, without control characters', () => {
    const found = notes(Array.from({ length: 30 }, (_, n) => `"zzzzzzzzzzzzzzzz\\e${n}": 1`).join('\n'));
    expect(found).toHaveLength(21);
    expect(found.at(-1)).toBe('… and 10 more');
    expect(found.join('')).not.toContain('\u001b');
  });
});

describe('which file', () => {
  const inFolder = (files: Record<string, string>) => {
    const dir = mkdtempSync(path.join(folder, 'files-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text);
    return dir;
  };

  it.each(['func.yaml', 'func.yml', 'func.json'])('is read: %s', (name) => {
    expect(readFuncFile(inFolder({ [name]: '{"name": "a", "version": "0.10", "config": {"A": "b"}}' })).spec).toEqual({
      name: 'a',
      image: 'a:0.10',
      config: { A: 'b' },
    });
  });

  it('is the one that fn reads, and the others are reported as ignored', () => {
    const dir = inFolder({ 'func.json': '{"name":"c"}', 'func.yml': 'name: b', 'func.yaml': 'name: a' });
    const { spec, notes } = readFuncFile(dir);
    expect(spec.name).toBe('a');
    expect(notes).toEqual(
      ['func.yml', 'func.json'].map((other) => `${dir}/${other} is ignored, because ${dir}/func.yaml exists`),
    );
  });

  it('is named when it is missing or not a file', () => {
    expect(() => readFuncFile('/nowhere')).toThrow('cannot read /nowhere/func.yaml: it does not exist');
    const dir = inFolder({});
    mkdirSync(path.join(dir, 'func.yaml'));
    expect(() => readFuncFile(dir)).toThrow(/func\.yaml: it is not a file/);
  });
});
