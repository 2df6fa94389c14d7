import { parseImageReference, pullName } from './image-reference.js';

describe('an image name', () => {
  const digest = `sha256:${'ab'.repeat(32)}`;

  it.each`
    image                                                | registry                        | repository         | tag
    ${'mongo'}                                           | ${''}                           | ${'library/mongo'} | ${'latest'}
    ${'mongo:7'}                                         | ${''}                           | ${'library/mongo'} | ${'7'}
    ${'fnproject/x:v1'}                                  | ${''}                           | ${'fnproject/x'}   | ${'v1'}
    ${'quay.com:8080/a/b:v2'}                            | ${'quay.com:8080'}              | ${'a/b'}           | ${'v2'}
    ${'quay.com:8080/a/b'}                               | ${'quay.com:8080'}              | ${'a/b'}           | ${'latest'}
    ${'localhost/x'}                                     | ${'localhost'}                  | ${'x'}             | ${'latest'}
    ${`localhost.localdomain:5000/s/h:latest@${digest}`} | ${'localhost.localdomain:5000'} | ${'s/h'}           | ${digest}
    ${`s/h@${digest}`}                                   | ${''}                           | ${'s/h'}           | ${digest}
  `('agent-and-docker 66: $image', ({ image, registry, repository, tag }) => {
    expect(parseImageReference(image)).toEqual({ registry, repository, tag });
  });

  it('agent-and-docker 66: determines the registry and the repository', () => {
    expect(pullName(parseImageReference('quay.com:8080/a/b:v2'))).toBe('quay.com:8080/a/b');
    expect(pullName(parseImageReference('mongo'))).toBe('library/mongo');
  });
});
