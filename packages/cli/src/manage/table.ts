import { Option } from 'commander';
import { type ApiClient, type Config, findApp, findFunction } from '../api-client.js';
import { wholeNumber } from '../commands/options.js';
import { invokeUrl, triggerUrl } from '../deploy/deploy.js';
import { isSchedule } from '../deploy/plan-triggers.js';
import {
  collectAnnotations,
  collectKeys,
  configShown,
  deleteApp,
  deleteFunction,
  deleteTrigger,
  findTrigger,
  inspected,
  jsonOrText,
  listApps,
  listFunctions,
  listTriggers,
  type Names,
  type Shown,
  someChange,
} from './resources.js';
import { changedSource, firesAt, type GivenSource, newSource } from './schedules.js';

/** The values of all options; each is declared with the commands that have it. */
export interface Given extends GivenSource {
  readonly syslogUrl?: string;
  readonly image?: string;
  readonly memory?: number;
  readonly timeout?: number;
  readonly idleTimeout?: number;
  readonly unset?: readonly string[];
  readonly recursive?: boolean;
}

/** One command: `fnfleet <verb> <noun> …`. */
export interface ManageCommand {
  readonly verb: Verb;
  readonly noun: Noun | Plural;
  readonly doc: string;
  /** The names that identify the resource, from the app down. */
  readonly arguments: readonly (readonly [form: string, doc: string])[];
  readonly options?: readonly (() => Option)[];
  /** `KEY=VALUE` pairs after the names. */
  readonly takesConfig?: boolean;
  readonly run: (api: ApiClient, names: Names, given: Given, config: Config) => Promise<Shown>;
}

export type Verb = 'create' | 'list' | 'inspect' | 'update' | 'delete' | 'config';
type Noun = 'app' | 'function' | 'trigger';
type Plural = `${Noun}s`;

export const VERBS: Readonly<Record<Verb, string>> = {
  create: 'Creates an app, a function or a trigger without deploying a folder.',
  list: 'Lists apps, functions and triggers.',
  inspect: 'Shows all fields of an app, a function or a trigger.',
  update: 'Changes an app, a function or a trigger. Fields that are not given stay as they are.',
  delete: 'Deletes an app, a function or a trigger.',
  config: 'Shows and changes the configuration of an app or a function.',
};

const APP = ['<app>', 'name of the app'] as const;
const FUNCTION = ['<function>', 'name of the function'] as const;
const TRIGGER = ['<trigger>', 'name of the trigger'] as const;

const annotation = () =>
  new Option(
    '--annotation <key=value>',
    'set an annotation, to JSON or else to text; repeatable; no value removes it',
  ).argParser(collectAnnotations);
const syslogUrl = () => new Option('--syslog-url <url>', 'syslog server for the output of its functions; empty: none');
const LIMITS = [
  () => new Option('--memory <n>', 'memory of a container, MiB').argParser(wholeNumber(1, 8192)),
  () => new Option('--timeout <n>', 'seconds that a call may take').argParser(wholeNumber(1, 300)),
  () =>
    new Option('--idle-timeout <n>', 'seconds until a container without calls is removed').argParser(
      wholeNumber(1, 3600),
    ),
];
const SOURCE = 'path below /t/<app>, with a leading slash';
const TIMES = [
  () => new Option('--source <path>', SOURCE),
  () =>
    new Option('--schedule <expression>', 'instead of a path: cron expression, such as "0 3 * * MON-FRI" or @hourly'),
  () => new Option('--time-zone <name>', 'of the schedule, such as Europe/Berlin; default: UTC'),
  () =>
    new Option('--catch-up <what>', 'what the schedule does about firings that it missed; default: none').choices([
      'none',
      'one',
      'all',
    ]),
  () => new Option('--body <text>', 'what the calls of the schedule contain: JSON, or else text').argParser(jsonOrText),
];
const pause = () => new Option('--pause', 'the schedule does not fire until it is resumed').default(false);
const resume = () => new Option('--resume', 'the schedule goes on with its next firing').default(false);
const recursive = () => new Option('--recursive', 'also delete what belongs to it').default(false);
const unset = () => new Option('--unset <key>', 'remove a key; repeatable').argParser(collectKeys);

export const COMMANDS: readonly ManageCommand[] = [
  {
    verb: 'create',
    noun: 'app',
    doc: 'Creates an app, with configuration for its functions.',
    arguments: [APP],
    takesConfig: true,
    options: [annotation, syslogUrl],
    run: async (api, [name = ''], { annotation: annotations, syslogUrl: syslog_url }, config) =>
      created('app', await api.createApp(name, { config, annotations, syslog_url })),
  },
  {
    verb: 'create',
    noun: 'function',
    doc: 'Creates a function from an image that runners can pull, with its configuration.',
    arguments: [APP, FUNCTION, ['<image>', 'image to run']],
    takesConfig: true,
    options: [...LIMITS, annotation],
    run: async (api, [app = '', name = '', image = ''], given, config) => {
      const { memory, timeout, idleTimeout: idle_timeout, annotation: annotations } = given;
      const spec = { name, image, memory, timeout, idle_timeout, config, annotations };
      const fn = await api.createFn((await findApp(api, app)).id, spec);
      return created('function', fn, `invoke it at ${invokeUrl(fn)}`);
    },
  },
  {
    verb: 'create',
    noun: 'trigger',
    doc: 'Creates a trigger: a path that calls a function, or a schedule that calls it at given times.',
    arguments: [APP, FUNCTION, TRIGGER],
    options: [...TIMES, annotation],
    run: async (api, [app, fn = '', name = ''], given) => {
      const spec = { name, ...newSource(given) };
      const trigger = await api.createTrigger(await findFunction(api, app, fn), spec);
      return created(
        'trigger',
        trigger,
        isSchedule(trigger) ? firesAt(trigger) : `it is called at ${triggerUrl(trigger)}`,
      );
    },
  },
  { verb: 'list', noun: 'apps', doc: 'Lists the apps.', arguments: [], run: listApps },
  { verb: 'list', noun: 'functions', doc: 'Lists the functions of an app.', arguments: [APP], run: listFunctions },
  {
    verb: 'list',
    noun: 'triggers',
    doc: 'Lists the triggers of an app, or of one function, with the URLs that call them, or the times at which they fire next.',
    arguments: [APP, ['[function]', 'name of the function; default: all functions']],
    run: listTriggers,
  },
  {
    verb: 'inspect',
    noun: 'app',
    doc: 'Shows an app.',
    arguments: [APP],
    run: async (api, [app = '']) => inspected(await findApp(api, app)),
  },
  {
    verb: 'inspect',
    noun: 'function',
    doc: 'Shows a function, with the URL that calls it.',
    arguments: [APP, FUNCTION],
    run: async (api, [app, name = '']) => inspected(await findFunction(api, app, name)),
  },
  {
    verb: 'inspect',
    noun: 'trigger',
    doc: 'Shows a trigger, with the URL that calls it, or the time at which it fires next.',
    arguments: [APP, FUNCTION, TRIGGER],
    run: async (api, names) => inspected(await findTrigger(api, names)),
  },
  {
    verb: 'update',
    noun: 'app',
    doc: 'Changes an app.',
    arguments: [APP],
    options: [annotation, syslogUrl],
    run: async (api, [name = ''], { annotation: annotations, syslogUrl: syslog_url }) => {
      const change = someChange({ annotations, syslog_url }, ['--annotation', '--syslog-url']);
      return updated('app', await api.updateApp((await findApp(api, name)).id, change));
    },
  },
  {
    verb: 'update',
    noun: 'function',
    doc: 'Changes a function. Containers of the previous version get no more calls after a few seconds.',
    arguments: [APP, FUNCTION],
    options: [() => new Option('--image <reference>', 'image to run'), ...LIMITS, annotation],
    run: async (
      api,
      [app, name = ''],
      { image, memory, timeout, idleTimeout: idle_timeout, annotation: annotations },
    ) => {
      const change = someChange({ image, memory, timeout, idle_timeout, annotations }, [
        '--image',
        '--memory',
        '--timeout',
        '--idle-timeout',
        '--annotation',
      ]);
      const { id } = await findFunction(api, app, name);
      await api.updateFn(id, change);
      // The answer to a PUT lacks the endpoint, so read it again.
      return updated('function', await findFunction(api, undefined, id));
    },
  },
  {
    verb: 'update',
    noun: 'trigger',
    doc: 'Changes a trigger.',
    arguments: [APP, FUNCTION, TRIGGER],
    options: [...TIMES, pause, resume, annotation],
    run: async (api, names, given) => {
      const trigger = await findTrigger(api, names);
      const change = someChange(changedSource(trigger, given), [
        ...['--source', '--schedule', '--time-zone', '--catch-up', '--body', '--pause', '--resume', '--annotation'],
      ]);
      return updated('trigger', await api.updateTrigger(trigger.id, change));
    },
  },
  {
    verb: 'delete',
    noun: 'app',
    doc: 'Deletes an app. One that has functions is deleted only with --recursive.',
    arguments: [APP],
    options: [recursive],
    run: async (api, names, given) => deleted('app', names, await deleteApp(api, names, given.recursive ?? false)),
  },
  {
    verb: 'delete',
    noun: 'function',
    doc: 'Deletes a function. One that has triggers is deleted only with --recursive.',
    arguments: [APP, FUNCTION],
    options: [recursive],
    run: async (api, names, given) =>
      deleted('function', names, await deleteFunction(api, names, given.recursive ?? false)),
  },
  {
    verb: 'delete',
    noun: 'trigger',
    doc: 'Deletes a trigger.',
    arguments: [APP, FUNCTION, TRIGGER],
    run: async (api, names) => deleted('trigger', names, await deleteTrigger(api, names)),
  },
  {
    verb: 'config',
    noun: 'app',
    doc: 'Shows the configuration that all functions of an app share, after changing it if asked to.',
    arguments: [APP],
    takesConfig: true,
    options: [unset],
    run: async (api, [name = ''], given, config) => {
      const app = await findApp(api, name);
      const change = configChange(app.config, config, given.unset);
      return configShown((change ? await api.updateApp(app.id, { config: change }) : app).config);
    },
  },
  {
    verb: 'config',
    noun: 'function',
    doc: 'Shows the configuration of a function, after changing it if asked to. It overrides that of its app.',
    arguments: [APP, FUNCTION],
    takesConfig: true,
    options: [unset],
    run: async (api, [app, name = ''], given, config) => {
      const fn = await findFunction(api, app, name);
      const change = configChange(fn.config, config, given.unset);
      return configShown((change ? await api.updateFn(fn.id, { config: change }) : fn).config);
    },
  },
];

export function commandsOf(verb: Verb): readonly ManageCommand[] {
  return COMMANDS.filter((command) => command.verb === verb);
}

/** @returns undefined if nothing is to be changed */
function configChange(
  current: Config | null | undefined,
  set: Config,
  unset: readonly string[] = [],
): Config | undefined {
  const missing = unset.filter((key) => !Object.hasOwn(current ?? {}, key));
  if (missing.length > 0) throw new Error(`there is no key ${missing.join(', ')} to remove; nothing was changed`);
  const both = unset.filter((key) => Object.hasOwn(set, key));
  if (both.length > 0) throw new Error(`${both.join(', ')}: both set and removed; nothing was changed`);
  const change = { ...set, ...Object.fromEntries(unset.map((key) => [key, ''])) };
  return Object.keys(change).length === 0 ? undefined : change;
}

function created(noun: Noun, resource: Parameters<typeof inspected>[0], ...more: readonly string[]): Shown {
  return { json: resource, lines: [`created ${noun} ${resource.name}`, ...more] };
}

function updated(noun: Noun, resource: Parameters<typeof inspected>[0]): Shown {
  return { json: resource, lines: [`updated ${noun} ${resource.name}`] };
}

function deleted(noun: Noun, names: Names, resource: object): Shown {
  return { json: { deleted: resource }, lines: [`deleted ${noun} ${names.join(' ')}`] };
}
