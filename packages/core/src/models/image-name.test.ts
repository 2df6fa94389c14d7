import { problemOfImage } from './image-name.js';

const HEX = 'ab'.repeat(32);

it.each([
  'hello',
  'hello:1',
  'team/hello:0.0.1-rc.1',
  'a/b__c/d-e---f.g:V_1',
  'localhost/x',
  'localhost:5000/x:1',
  'registry.example.com:443/team/hello',
  'REGISTRY/hello',
  '[::1]:5000/x:1',
  '127.0.0.1:9/no/such:1',
  `hello@sha256:${HEX}`,
  `r.example/hello:1@sha256:${HEX}`,
  `sha256:${HEX}`,
  HEX,
])('%s may be the name of an image', (image) => {
  expect(problemOfImage(image)).toBeUndefined();
});

it.each`
  image                         | problem
  ${'hello:$VERSION'}           | ${/"\$VERSION" is no tag/}
  ${'Team/Fn:1'}                | ${/"Fn" has more than lower-case letters/}
  ${'Hello'}                    | ${/"Hello" has more than lower-case letters/}
  ${'hello:'}                   | ${/"" is no tag/}
  ${'hello:-1'}                 | ${/"-1" is no tag/}
  ${`hello:${'v'.repeat(129)}`} | ${/is no tag/}
  ${'hello world'}              | ${/"hello world" has more/}
  ${' hello'}                   | ${/" hello" has more/}
  ${'grüße'}                    | ${/"grüße" has more/}
  ${'..//127.0.0.1:80/x'}       | ${/is no host|is empty/}
  ${'../../containers/json'}    | ${/is no host/}
  ${'a/../b'}                   | ${/"\.\." has more/}
  ${'a//b'}                     | ${/a part between slashes is empty/}
  ${'/a'}                       | ${/a part between slashes is empty/}
  ${'a/'}                       | ${/a part between slashes is empty/}
  ${'hello?platform=x'}         | ${/has more/}
  ${'hello#x'}                  | ${/has more/}
  ${'hello%2e%2e'}              | ${/has more/}
  ${'a\nb'}                     | ${/has more/}
  ${'http://r.example/x'}       | ${/is no host/}
  ${'r.example:port/x'}         | ${/"r\.example:port" is no host/}
  ${'-r.example/x'}             | ${/is no host/}
  ${'hello@sha256:abc'}         | ${/"sha256:abc" is no digest/}
  ${'hello@latest'}             | ${/"latest" is no digest/}
  ${'a___b'}                    | ${/has more/}
`('$image is none: $problem', ({ image, problem }) => {
  expect(problemOfImage(image)).toMatch(problem);
});
