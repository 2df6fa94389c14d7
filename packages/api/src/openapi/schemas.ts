import { appSchema, fnSchema, jsonSchemaOf, type SchemaPart, triggerSchema } from '@fnfleet/core/resources';

/** Limits are rules for clients; a database may hold what earlier releases accepted. */
const LIMITS = /^(x-|m(ax|in)|default$|pattern$|propertyNames$)/;

/** JSON schemas of requests and responses, made from the schemas that check what clients send. */
export const SCHEMAS = {
  ...resourceSchemas('App', jsonSchemaOf(appSchema), {
    output: ['id', 'name', 'config', 'annotations', 'syslog_url', 'created_at', 'updated_at', 'shape'],
    always: ['id', 'name', 'created_at', 'updated_at'],
    needed: ['name'],
    fixed: ['name', 'shape'],
  }),
  ...resourceSchemas('Fn', jsonSchemaOf(fnSchema), {
    output: [
      ...['id', 'name', 'app_id', 'image', 'memory', 'timeout', 'idle_timeout'],
      ...['config', 'annotations', 'created_at', 'updated_at', 'shape'],
    ],
    always: [
      ...['id', 'name', 'app_id', 'image', 'memory', 'timeout', 'idle_timeout', 'config'],
      ...['created_at', 'updated_at'],
    ],
    needed: ['app_id', 'name', 'image'],
    fixed: ['app_id', 'name'],
    orNull: ['config'],
  }),
  ...resourceSchemas('Trigger', jsonSchemaOf(triggerSchema), {
    output: [
      ...['id', 'name', 'app_id', 'fn_id', 'created_at', 'updated_at', 'type', 'source', 'annotations'],
      ...['next_fire_at', 'last_fire_at'],
    ],
    always: ['id', 'name', 'app_id', 'fn_id', 'created_at', 'updated_at', 'type', 'source'],
    needed: ['app_id', 'name', 'fn_id', 'type', 'source'],
    fixed: ['app_id', 'type'],
  }),
  ...callSchemas(),
  Error: {
    type: 'object',
    description: 'Every error. Its message is for people, and is that of the table of errors.',
    properties: { message: { type: 'string', minLength: 1 } },
    required: ['message'],
  },
} as const satisfies Record<string, SchemaPart>;

/** Asynchronous calls: `Call` alone has `history`, `result` and `request`. */
function callSchemas() {
  const text = { type: 'string' };
  const whole = { type: 'integer', minimum: 0 };
  const date = {
    type: 'string',
    format: 'date-time',
    description: '`0001-01-01T00:00:00.000Z` if it has not happened.',
  };
  const line = {
    id: text,
    status: {
      type: 'string',
      enum: ['delayed', 'queued', 'running', 'success', 'error', 'cancelled'],
      description: '`error`: the call is a dead letter.',
    },
    type: {
      type: 'string',
      enum: ['async', 'callback'],
      description: '`callback`: the delivery of the outcome of a call.',
    },
    priority: { type: 'integer', minimum: 0, maximum: 2 },
    attempts: { ...whole, description: 'Without those that were given back.' },
    failures: { ...whole, description: 'Those that count towards the end of the call.' },
    completed_at: date,
    created_at: date,
    started_at: { ...date, description: 'Start of the current or last attempt.' },
    error: { ...text, description: 'Why it is a dead letter.' },
    error_code: text,
    app_id: { ...text, description: 'Empty if the function was deleted.' },
    fn_id: text,
  };
  const content = {
    headers: { type: 'object', additionalProperties: { type: 'array', items: text } },
    encoding: { type: 'string', enum: ['utf8', 'base64'] },
    body: { ...text, description: 'The first bytes of the body.' },
    size: { ...whole, description: 'Bytes of the whole body.' },
  };
  const always = [
    'id',
    'status',
    'type',
    'priority',
    'attempts',
    'failures',
    'completed_at',
    'created_at',
    'started_at',
  ];
  const required = [...always, 'app_id', 'fn_id'];
  const description = 'An asynchronous call.';
  return {
    Call: {
      type: 'object',
      description,
      properties: {
        ...line,
        next_attempt_at: {
          ...{ type: 'string', format: 'date-time' },
          description: 'When a delayed call may start: for the first time, or again after a failure.',
        },
        history: {
          type: 'array',
          description: 'Past attempts, oldest first; only the last ones of many.',
          items: {
            type: 'object',
            properties: { attempt: whole, balancer: text, started_at: date, ended_at: date, end: text, error: text },
          },
        },
        result: {
          type: 'object',
          description: 'What the function answered, or the receiver of a callback.',
          properties: {
            status: { ...whole, description: '0: not known, because a balancer of Fn ran the call.' },
            ...content,
          },
        },
        callbacks: {
          type: 'array',
          description: 'The callbacks that follow the call, newest first.',
          items: { $ref: '#/components/schemas/CallLine' },
        },
        request: {
          type: 'object',
          description: 'What the caller sent; only of dead letters, and only from `GET /v2/calls/{call_id}`.',
          properties: { method: text, url: text, ...content },
        },
      },
      required,
    },
    CallbackKeys: {
      type: 'object',
      description: 'The keys that sign the callbacks of a function.',
      properties: { keys: { type: 'array', items: { ...text, description: '`whsec_` and the key in base64.' } } },
      required: ['keys'],
    },
    CallLine: { type: 'object', description, properties: line, required },
    CallLog: {
      type: 'object',
      description: 'The output of an asynchronous call.',
      properties: { call_id: text, log: { ...text, description: 'The first `FN_MQ_MAX_RESULT` bytes.' } },
      required: ['call_id', 'log'],
    },
    CallList: {
      type: 'object',
      description: 'A page of calls, newest first.',
      properties: {
        items: { type: 'array', items: { $ref: '#/components/schemas/CallLine' } },
        next_cursor: { ...text, description: 'Where the next page begins; missing on the last page.' },
      },
      required: ['items'],
    },
    DeadLetters: {
      type: 'object',
      description: 'Which dead letters of the function: all of them, or one.',
      properties: { call_id: { ...text, minLength: 1, description: 'Only this one.' } },
      additionalProperties: false,
    },
    ChangedCalls: {
      type: 'object',
      description: 'How many calls were changed; 0 if there is no such dead letter.',
      properties: { changed: whole },
      required: ['changed'],
    },
    AcceptedCall: {
      type: 'object',
      description: 'An asynchronous call that is on disk.',
      properties: {
        call_id: { ...text, description: 'That of the earlier call if this is a duplicate.' },
        duplicate: { type: 'boolean', description: 'Whether its idempotency key was known.' },
      },
      required: ['call_id', 'duplicate'],
    },
  } as const satisfies Record<string, SchemaPart>;
}

export type SchemaName = keyof typeof SCHEMAS;

/** The errors that a schema of a request names. */
export function errorsIn(name: SchemaName): string[] {
  return Object.values(propertiesOf(SCHEMAS[name])).flatMap(({ 'x-errors': codes }) => (codes ?? []) as string[]);
}

interface Traits {
  /** The fields of a response, in their order. */
  readonly output: readonly string[];
  /** The fields that every response has. */
  readonly always: readonly string[];
  /** The fields that a creation needs. */
  readonly needed: readonly string[];
  /** The fields that never change. */
  readonly fixed: readonly string[];
  /** Fields that are null when they are empty. */
  readonly orNull?: readonly string[];
}

/** `App` is what is answered, `NewApp` and `AppChange` what is sent, `AppList` a page. */
function resourceSchemas<N extends string>(name: N, schema: SchemaPart, traits: Traits) {
  const { description } = schema;
  const { output, always, needed, fixed, orNull = [] } = traits;
  const properties = propertiesOf(schema);
  const sent = output.filter((field) => properties[field]?.readOnly !== true);
  const changeable = sent.filter((field) => !fixed.includes(field));
  const pick = (fields: readonly string[]) =>
    Object.fromEntries(fields.map((field) => [field, properties[field] ?? {}]));
  const shown = Object.entries(pick(output)).map(([field, part]) => [field, asShown(part, orNull.includes(field))]);
  const page = {
    type: 'object',
    description: 'A page of a list, in ascending order of names.',
    properties: {
      items: { type: 'array', items: { $ref: `#/components/schemas/${name}` } },
      next_cursor: { type: 'string', description: 'Where the next page begins; missing on the last page.' },
    },
    required: ['items'],
  };
  const schemas: Record<string, SchemaPart> = {
    [name]: { type: 'object', description, properties: Object.fromEntries(shown), required: always },
    [`New${name}`]: { type: 'object', description, properties: pick(sent), required: needed },
    [`${name}Change`]: {
      type: 'object',
      description: 'What is absent, empty or 0 stays as it is. Fields that never change are ignored.',
      properties: Object.fromEntries(changeable.map((field) => [field, withoutDefault(properties[field])])),
    },
    [`${name}List`]: page,
  };
  return schemas as Record<N | `New${N}` | `${N}Change` | `${N}List`, SchemaPart>;
}

function asShown(part: SchemaPart, orNull: boolean): SchemaPart {
  const kept = Object.fromEntries(Object.entries(part).filter(([keyword]) => !LIMITS.test(keyword)));
  if (isNullable(part.additionalProperties)) kept.additionalProperties = { type: 'string' };
  else if (kept.additionalProperties !== undefined) kept.additionalProperties = {};
  return orNull ? { ...kept, type: [part.type, 'null'] } : kept;
}

/** What is absent in a change stays as it is. */
function withoutDefault({ default: _value, ...part }: SchemaPart = {}): SchemaPart {
  return part;
}

function isNullable(part: unknown): boolean {
  return Array.isArray((part as SchemaPart | undefined)?.type);
}

function propertiesOf(schema: SchemaPart): Readonly<Record<string, SchemaPart>> {
  return (schema.properties ?? {}) as Readonly<Record<string, SchemaPart>>;
}
