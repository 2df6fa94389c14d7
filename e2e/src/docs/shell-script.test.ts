// needs: nothing
import { commandsOf } from './shell-script.js';

const words = (script: string) => commandsOf(script).map((command) => command.words);

it.each([
  ['a comment and an assignment', 'FN_PORT=0 fnfleet node   # one of them', [['fnfleet', 'node']]],
  [
    'a pipe and a list',
    'echo "a b" | fnfleet invoke x y && true',
    [['echo', 'a b'], ['fnfleet', 'invoke', 'x', 'y'], ['true']],
  ],
  ['a continued line', 'docker build \\\n  -t a .', [['docker', 'build', '-t', 'a', '.']]],
  ['a placeholder', 'fnfleet deploy <folder> --app shop', [['fnfleet', 'deploy', '<folder>', '--app', 'shop']]],
  ['redirections', 'fnfleet top --once > out 2>&1', [['fnfleet', 'top', '--once']]],
  [
    'a command in another',
    'source <(fnfleet completion bash)',
    [
      ['fnfleet', 'completion', 'bash'],
      ['source', '$(…)'],
    ],
  ],
  [
    'quotes with a dollar',
    `curl -d '{"a":1}' "$(cat x)"`,
    [
      ['cat', 'x'],
      ['curl', '-d', '{"a":1}', '$(cat x)'],
    ],
  ],
  ['a here-document', "cat > f <<'END'\nrm -rf $(x)\nEND\nls", [['cat'], ['ls']]],
])('%s', (_, script, expected) => expect(words(script)).toEqual(expected));

it('says where each command begins', () => {
  expect(commandsOf('# first\na \\\n b\n\nc').map(({ line }) => line)).toEqual([1, 4]);
});

it('says what has no end', () => {
  expect(() => commandsOf("echo 'a")).toThrow('a quote without an end');
});
