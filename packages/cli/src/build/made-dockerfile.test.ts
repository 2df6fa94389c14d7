import type { BuildSpec } from '../func-file/read-func-file.js';
import { madeDockerfile } from './made-dockerfile.js';

const NOTHING: BuildSpec = {
  runtime: undefined,
  buildImage: undefined,
  runImage: undefined,
  entrypoint: undefined,
  cmd: undefined,
};

function made(spec: Partial<BuildSpec>, ...files: string[]): string[] {
  return madeDockerfile({ ...NOTHING, ...spec }, (name) => files.includes(name))
    .trimEnd()
    .split('\n');
}

describe('the Dockerfile of a folder that has none', () => {
  it('is generated from the images, entrypoint and cmd in func.yaml', () => {
    const spec = { runtime: 'java', buildImage: 'build:1', runImage: 'run:1', cmd: 'com.example.Hello::handle' };
    const lines = made(spec, 'pom.xml');
    expect(lines[0]).toBe('FROM build:1 AS build-stage');
    expect(lines).toContain('RUN mvn package');
    expect(lines.slice(-4)).toEqual([
      'FROM run:1',
      'WORKDIR /function',
      'CMD ["com.example.Hello::handle"]',
      'COPY --from=build-stage /function/target/*.jar /function/app/',
    ]);
  });

  it.each([
    ['node', 'fnproject/node:22-dev', 'fnproject/node:22'],
    ['node24', 'fnproject/node:24-dev', 'fnproject/node:24'],
    ['python3.11', 'fnproject/python:3.11-dev', 'fnproject/python:3.11'],
    ['go1.24', 'fnproject/go:1.24-dev', 'fnproject/go:1.24'],
    ['ruby3.3', 'fnproject/ruby:3.3-dev', 'fnproject/ruby:3.3'],
  ])('for the runtime %s starts with %s and %s', (runtime, build, run) => {
    const lines = made({ runtime }, 'package.json', 'requirements.txt', 'go.mod', 'Gemfile');
    expect(lines.filter((line) => line.startsWith('FROM '))).toEqual([`FROM ${build} AS build-stage`, `FROM ${run}`]);
    expect(lines.find((line) => line.startsWith('ENTRYPOINT'))).toMatch(/^ENTRYPOINT \[".+"\]$/);
  });

  it('installs nothing for Node if the folder contains node_modules', () => {
    expect(made({ runtime: 'node', runImage: 'base' }, 'package.json', 'node_modules')).toEqual([
      'FROM base',
      'WORKDIR /function',
      'ENTRYPOINT ["node","func.js"]',
      'COPY . .',
    ]);
  });

  it.each([
    ['words', 'node --trace  func.js', '["node","--trace","func.js"]'],
    ['brackets as fn takes them', "'[java -cp app.jar Main]'", '["java","-cp","app.jar","Main"]'],
    ['what would be another line', 'node a\nUSER root "x"', '["node","a","USER","root","\\"x\\""]'],
  ])('splits an entrypoint into words: %s', (_, entrypoint, words) => {
    expect(made({ runtime: 'node', entrypoint }, 'node_modules')[2]).toBe(`ENTRYPOINT ${words}`);
  });

  it.each([
    [
      'no runtime',
      {},
      'there is neither a Dockerfile nor a runtime in func.yaml: write a Dockerfile, or set runtime to one of node,',
    ],
    ['the runtime docker', { runtime: 'docker' }, 'the runtime docker needs a Dockerfile'],
    ['an unknown runtime', { runtime: 'cobol' }, 'cannot build the runtime "cobol"'],
    ['a name of ours', { runtime: 'constructor' }, 'cannot build the runtime "constructor"'],
    ['Java without its images', { runtime: 'java', cmd: 'a::b' }, 'func.yaml does not name the build_image'],
    ['Java without a function', { runtime: 'java', buildImage: 'b', runImage: 'r' }, 'neither an entrypoint nor a cmd'],
    [
      'an image of two lines',
      { runtime: 'node', runImage: 'a\nRUN x' },
      'run_image in func.yaml is not a valid image name',
    ],
  ])('is not generated from %s', (_, spec, problem) => {
    expect(() => made(spec, 'node_modules')).toThrow(problem);
  });
});
