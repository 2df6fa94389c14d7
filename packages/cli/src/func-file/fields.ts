/** Keys of func.yaml that have an effect. */
export const FIELDS: ReadonlySet<string> = new Set([
  'schema_version',
  'name',
  'version',
  'image',
  'memory',
  'timeout',
  'idle_timeout',
  'config',
  'annotations',
  'triggers',
  'runtime',
  'build_image',
  'run_image',
  'entrypoint',
  'cmd',
]);

export const TRIGGER_FIELDS: ReadonlySet<string> = new Set(['name', 'type', 'source']);

const ROUTE = 'routes no longer exist: write a list of triggers, each with name, type http and source';
const GONE = 'Fn has dropped it';

/** Keys that `fn` knows or once knew and that have no effect here, with the reason. */
export const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ['build', 'commands are not run on this machine; put them into a Dockerfile'],
  ['content_type', 'a call has the content type that its caller sends'],
  ['expects', 'only `fn run` reads it; required configuration is not checked'],
  ['tests', GONE],
  ['type', 'the caller of a function decides whether a call is detached'],
  ['format', 'every function speaks HTTP over its socket'],
  ['cpus', GONE],
  ['headers', GONE],
  ['path', ROUTE],
  ['deploy', 'it is for Oracle Cloud'],
  ['signing_details', 'it is for Oracle Cloud'],
]);
