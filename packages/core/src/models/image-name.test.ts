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
])('%s is a valid image name', (image) => {
  expect(problemOfImage(image)).toBeUndefined();
});

it.each`
  image                         | problem
  ${'hello:$VERSION'}           | ${/"\$VERSION" is not a tag/}
  ${'Team/Fn:1'}                | ${/"Fn" must consist of lower-case letters/}
  ${'Hello'}                    | ${/"Hello" must consist of lower-case letters/}
  ${'hello:'}                   | ${/"" is not a tag/}
  ${'hello:-1'}                 | ${/"-1" is not a tag/}
  ${`hello:${'v'.repeat(129)}`} | ${/is not a tag/}
  ${'hello world'}              | ${/"hello world" must consist of/}
  ${' hello'}                   | ${/" hello" must consist of/}
  ${'grüße'}                    | ${/"grüße" must consist of/}
  ${'..//127.0.0.1:80/x'}       | ${/is not a registry host|is empty/}
  ${'../../containers/json'}    | ${/is not a registry host/}
  ${'a/../b'}                   | ${/"\.\." must consist of/}
  ${'a//b'}                     | ${/a part between slashes is empty/}
  ${'/a'}                       | ${/a part between slashes is empty/}
  ${'a/'}                       | ${/a part between slashes is empty/}
  ${'hello?platform=x'}         | ${/must consist of/}
  ${'hello#x'}                  | ${/must consist of/}
  ${'hello%2e%2e'}              | ${/must consist of/}
  ${'a\nb'}                     | ${/must consist of/}
  ${'http://r.example/x'}       | ${/is not a registry host/}
  ${'r.example:port/x'}         | ${/"r\.example:port" is not a registry host/}
  ${'-r.example/x'}             | ${/is not a registry host/}
  ${'hello@sha256:abc'}         | ${/"sha256:abc" is not a digest/}
  ${'hello@latest'}             | ${/"latest" is not a digest/}
  ${'a___b'}                    | ${/must consist of/}
`('$image is invalid: $problem', ({ image, problem }) => {
  expect(problemOfImage(image)).toMatch(problem);
});
