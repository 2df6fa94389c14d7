import { printableLine } from '@fnfleet/core';
import type { BuildSpec } from '../func-file/read-func-file.js';

/** How to build a language, in the way of `fn`, with the images of its FDKs. */
interface Recipe {
  /** Version of the images if func.yaml names none. Undefined: func.yaml must name the images. */
  readonly version?: string;
  /** Steps of the build stage; none if the folder runs as it is. */
  readonly build: (has: Has) => readonly string[];
  /** Steps of the final stage. */
  readonly run: (has: Has) => readonly string[];
  readonly entrypoint?: string;
}

/** Whether the folder contains a file or folder of this name. */
export type Has = (name: string) => boolean;

const MAVEN: Recipe = {
  build: () => [
    'ENV MAVEN_OPTS=-Dmaven.repo.local=/usr/share/maven/ref/repository',
    'COPY pom.xml ./',
    // Dependencies get their own layer, which stays cached when the code changes.
    'RUN mvn package dependency:copy-dependencies -DincludeScope=runtime -DskipTests=true -Dmdep.prependGroupId=true -DoutputDirectory=target --fail-never',
    'COPY src ./src',
    'RUN mvn package',
  ],
  run: () => ['COPY --from=build-stage /function/target/*.jar /function/app/'],
};

const RECIPES: Readonly<Record<string, Recipe>> = {
  node: {
    version: '22',
    build: (has) => (needsNpm(has) ? ['COPY package*.json ./', 'RUN npm install'] : []),
    run: (has) => [
      'COPY . .',
      ...(needsNpm(has) ? ['COPY --from=build-stage /function/node_modules ./node_modules'] : []),
    ],
    entrypoint: 'node func.js',
  },
  python: {
    version: '3.12',
    build: (has) => [
      ...(has('requirements.txt')
        ? [
            'COPY requirements.txt ./',
            'RUN pip3 install --target /python/ --no-cache-dir -r requirements.txt && chmod -R o+r /python',
          ]
        : []),
      'COPY . .',
      ...(has('setup.py') ? ['RUN pip3 install --target /python/ --no-cache-dir .'] : []),
    ],
    run: () => [
      'COPY --from=build-stage /python /python',
      'COPY --from=build-stage /function /function',
      'ENV PYTHONPATH=/function:/python',
    ],
    entrypoint: '/python/bin/fdk /function/func.py handler',
  },
  go: {
    version: '1.24',
    build: (has) => [
      'WORKDIR /go/src/func',
      'COPY . .',
      ...(has('vendor') ? ['ENV GOFLAGS=-mod=vendor'] : ['RUN go mod tidy']),
      'RUN go build -o func',
    ],
    run: () => ['COPY --from=build-stage /go/src/func/func ./'],
    entrypoint: './func',
  },
  ruby: {
    version: '3.3',
    build: (has) => (has('Gemfile') ? ['COPY Gemfile* ./', 'RUN bundle install'] : []),
    run: (has) => [
      ...(has('Gemfile') ? ['COPY --from=build-stage /usr/lib/ruby/gems/ /usr/lib/ruby/gems/'] : []),
      'COPY . .',
    ],
    entrypoint: 'ruby func.rb',
  },
  java: MAVEN,
  kotlin: MAVEN,
};

/**
 * Generates the Dockerfile of a folder that has none from its func.yaml.
 * @throws Error that says what func.yaml lacks
 */
export function madeDockerfile(spec: BuildSpec, has: Has): string {
  const [language, version] = runtimeOf(spec.runtime);
  const recipe = RECIPES[language];
  if (recipe === undefined) throw new Error(`cannot build the runtime ${shown(spec.runtime)}: ${known()}`);
  const image = (named: string | undefined, field: string, suffix: string) => {
    if (named !== undefined) return checkedImage(named, field);
    const of = version ?? recipe.version;
    if (of === undefined) throw new Error(`func.yaml does not name the ${field} of its runtime ${shown(spec.runtime)}`);
    return `fnproject/${language}:${of}${suffix}`;
  };
  const build = recipe.build(has);
  const stage = build.length === 0 ? [] : [`FROM ${image(spec.buildImage, 'build_image', '-dev')} AS build-stage`];
  const entrypoint = spec.entrypoint ?? (spec.cmd === undefined ? recipe.entrypoint : undefined);
  if (entrypoint === undefined && spec.cmd === undefined) {
    throw new Error(`func.yaml has neither an entrypoint nor a cmd for its runtime ${shown(spec.runtime)}`);
  }
  return [
    ...stage,
    ...(build.length === 0 ? [] : ['WORKDIR /function', ...build]),
    `FROM ${image(spec.runImage, 'run_image', '')}`,
    'WORKDIR /function',
    // Before the code, so that these steps stay cached when it changes.
    ...(entrypoint === undefined ? [] : [`ENTRYPOINT ${words(entrypoint)}`]),
    ...(spec.cmd === undefined ? [] : [`CMD ${words(spec.cmd)}`]),
    ...recipe.run(has),
    '',
  ].join('\n');
}

/** Splits language and version: `node24` is version 24 of Node. */
function runtimeOf(runtime: string | undefined): [language: string, version: string | undefined] {
  if (runtime === undefined) throw new Error(`there is neither a Dockerfile nor a runtime in func.yaml: ${known()}`);
  if (runtime === 'docker') throw new Error('the runtime docker needs a Dockerfile');
  const [, language = '', version] = /^([a-z]+?)(\d[\d.]*)?$/.exec(runtime) ?? [];
  return [Object.hasOwn(RECIPES, language) ? language : '', version];
}

function known(): string {
  return `write a Dockerfile, or set runtime to one of ${Object.keys(RECIPES).join(', ')}`;
}

/** Checks an image name, because it becomes a line of the Dockerfile. */
function checkedImage(image: string, field: string): string {
  if (/^[\w./:@-]+$/.test(image)) return image;
  throw new Error(`${field} in func.yaml is not a valid image name: ${shown(image)}`);
}

/** Splits a command as `fn` does: at white space, regardless of quotes. */
function words(command: string): string {
  return JSON.stringify(
    command
      .trim()
      .replace(/^'\[|\]'$/g, '')
      .trim()
      .split(/\s+/),
  );
}

function needsNpm(has: Has): boolean {
  return has('package.json') && !has('node_modules');
}

function shown(text: string | undefined): string {
  return text === undefined ? 'none' : JSON.stringify(printableLine(text, 100));
}
