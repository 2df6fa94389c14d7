/**
 * Every error that a client, a peer or an operator can see, declared once. `docs/errors.md` is rendered from this table, and a
 * test keeps the two equal.
 *
 * - `status` is the HTTP status and the `errorCode` on the wire.
 * - `blame` says whose fault it was. `function` and `caller` travel to a balancer as `errorUser`.
 * - `text` is exactly what clients see: Fn clients match on it. `{name}` parts are filled in by `FnError`.
 * - `retryAfterSeconds` is the default for `Retry-After`; the code that raises the error may override it.
 */
export type Blame = 'caller' | 'function' | 'platform';

export interface ErrorEntry {
  readonly status: number;
  readonly blame: Blame;
  readonly text: string;
  readonly doc: string;
  readonly retryAfterSeconds?: number;
}

/** Errors of a call: placing it, running it, answering it. */
const CALL_ERRORS = {
  serverBusy: {
    status: 503,
    blame: 'platform',
    text: 'Timed out - server too busy',
    doc: 'No runner had capacity in time, too many calls are already waiting, or the node is shutting down. Sent with Retry-After.',
    retryAfterSeconds: 15,
  },
  appOverShare: {
    status: 429,
    blame: 'caller',
    text: 'Too many calls of this application are waiting, send fewer at a time or try again later',
    doc: 'The runners are full and this application has more calls waiting than its fair share. Sent with Retry-After.',
    retryAfterSeconds: 15,
  },
  runnersUnknown: {
    status: 503,
    blame: 'platform',
    text: 'The list of runners is not available',
    doc: 'The source of the runner pool (FN_RUNNER_POOL) cannot be read, and no known runner took the call. The log of the balancer has the reason.',
  },
  resourceTooBig: {
    status: 400,
    blame: 'caller',
    text: 'Requested CPU/Memory cannot be allocated',
    doc: 'The requested memory or CPU exceeds the total of the runner. Request less.',
  },
  callTimeout: {
    status: 504,
    blame: 'function',
    text: 'Timed out',
    doc: 'The function ran past its timeout, or answered 504 itself. Its container is removed.',
  },
  imagePulling: {
    status: 503,
    blame: 'platform',
    text: "The image '{image}' is being pulled, try again later",
    doc: 'The call waited for FN_IMAGE_WAIT_MSECS, or its deadline passed, while the runner was still pulling the image. The pull continues. Sent with Retry-After.',
    retryAfterSeconds: 10,
  },
  imagePullTimeout: {
    status: 504,
    blame: 'function',
    text: 'Image pull timed out',
    doc: 'The pull did not finish within FN_HOT_PULL_TIMEOUT_MSECS.',
  },
  imagePullFailed: {
    status: 502,
    blame: 'function',
    text: "Failed to pull image '{image}': {reason}",
    doc: 'The engine does not have the image and could not pull it. A 4xx status from the engine is passed on.',
  },
  imageHasVolume: {
    status: 400,
    blame: 'caller',
    text: 'image has Volume definition',
    doc: 'The image declares a VOLUME, which this runner does not allow (FN_IMAGE_ENABLE_VOLUME).',
  },
  imageNameInvalid: {
    status: 400,
    blame: 'function',
    text: "Invalid image name '{image}': {problem}",
    doc: 'The image of the function is not a valid reference: [registry/]repository[:tag][@digest]. Common causes are an unexpanded variable and capital letters.',
  },
  containerRefused: {
    status: 400,
    blame: 'function',
    text: 'Container cannot be created: {problem}',
    doc: 'The Docker engine refused to create it: an image without a command, a variable without a name, an invalid syslog address. `fnfleet explain` and the log of the runner have the message of the engine.',
  },
  containerInitFailed: {
    status: 502,
    blame: 'function',
    text: 'Container failed to initialize, please ensure you are using the latest fdk and check the logs',
    doc: 'The container exited, or created something other than a socket, before it could take a call.',
  },
  containerInitTimeout: {
    status: 504,
    blame: 'function',
    text: 'Container initialization timed out, please ensure you are using the latest fdk and check the logs',
    doc: 'The container did not open its socket within FN_HOT_START_TIMEOUT_MSECS.',
  },
  functionResponse: {
    status: 502,
    blame: 'function',
    text: 'error receiving function response',
    doc: 'The function was unreachable, exited, or sent something other than HTTP. `fnfleet explain` and the log of the runner tell how it ended.',
  },
  functionResponseTooBig: {
    status: 502,
    blame: 'function',
    text: 'function response body too large',
    doc: 'The response is larger than FN_MAX_RESPONSE_SIZE.',
  },
  functionResponseHeaderTooBig: {
    status: 502,
    blame: 'function',
    text: 'function response header too large',
    doc: 'The response headers are larger than FN_MAX_HDR_RESPONSE_SIZE, or there are more than 1 000.',
  },
  functionResponseTruncated: {
    status: 502,
    blame: 'function',
    text: 'function response ended early',
    doc: 'The function announced more bytes than it sent.',
  },
  functionFailed: {
    status: 502,
    blame: 'function',
    text: 'function failed',
    doc: 'The function reported failure (its FDK answered 502).',
  },
  functionInvalidResponse: {
    status: 502,
    blame: 'function',
    text: 'invalid function response',
    doc: 'The FDK answered with a status other than 200, 502 or 504. Its container is removed.',
  },
  functionPrematureWrite: {
    status: 502,
    blame: 'function',
    text: 'function invoked write before receiving entire request',
    doc: 'The function answered before it had read the whole request.',
  },
  functionWriteRequest: {
    status: 502,
    blame: 'function',
    text: 'function closed pipe while receiving request',
    doc: 'The function closed its connection while the request was still being sent.',
  },
  syslogUnavailable: {
    status: 500,
    blame: 'function',
    text: 'Syslog Unavailable',
    doc: "The syslog destination of the application could not be reached by the container's log driver.",
  },
  requestTooBig: {
    status: 413,
    blame: 'caller',
    text: 'Content-Length too large for this server, {length} > max {max}',
    doc: 'The request body is larger than FN_MAX_REQUEST_SIZE.',
  },
  callTooLarge: {
    status: 400,
    blame: 'function',
    text: 'The call without its body is too large for a runner: {bytes} bytes, limit {max}',
    doc: 'The configuration, annotations and headers of a call are sent to a runner in one message of at most 4 MiB. Shorten the configuration of the function or its app.',
  },
  runnerAnswerInvalid: {
    status: 502,
    blame: 'platform',
    text: 'Invalid response from the runner',
    doc: 'A runner sent a response status that is not valid in HTTP. The log has the value.',
  },
  lookupUnavailable: {
    status: 503,
    blame: 'platform',
    text: 'Functions cannot be looked up right now',
    doc: 'The API node (FN_RUNNER_API_URL) did not answer, failed several times in a row, returned a different function, or has a backlog of more than a second. The log has the reason.',
  },
  clientCancelled: {
    status: 444,
    blame: 'caller',
    text: 'Client cancelled context',
    doc: 'The client disconnected before the response was complete. Appears only in logs and metrics.',
  },
  reservationExpired: {
    status: 500,
    blame: 'platform',
    text: 'Unable to service the request for the reservation period',
    doc: 'The overall deadline of the call passed while it was placed.',
  },
  detachUnsupported: {
    status: 501,
    blame: 'caller',
    text: 'Detach call functions are not supported on this server',
    doc: 'The runner does not have detached calls enabled (FN_ENABLE_DETACHED).',
  },
  invalidFnImage: {
    status: 400,
    blame: 'caller',
    text: 'Invalid Fn image',
    doc: "An ordinary call named the image that is reserved for the runner's status checks.",
  },
  invalidCpus: {
    status: 400,
    blame: 'caller',
    text: 'Cpus is invalid. Value should be either between [0.000 and 1024.000] or [0m and 1024000m] milliCPU units',
    doc: 'The `cpus` of a call could not be read.',
  },
  internal: {
    status: 500,
    blame: 'platform',
    text: 'internal server error',
    doc: 'An internal failure that the caller cannot fix. The log has the cause under the call id.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** Errors of the HTTP layer and of the control plane (apps, functions, triggers). */
const API_ERRORS = {
  databaseBusy: {
    status: 503,
    blame: 'platform',
    text: 'The database is locked by another process, and nothing was changed: try again later',
    doc: 'Another process holds the write lock of the database, or earlier writes used up FN_DB_TIMEOUT_MSECS, or changes conflicted several times. Sent with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseSlow: {
    status: 503,
    blame: 'platform',
    text: 'The database did not answer in time: the change may or may not take effect',
    doc: 'A statement took longer than FN_DB_TIMEOUT_MSECS, for example because a disk hangs, or the connection was lost during a commit. Sent with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseOverloaded: {
    status: 503,
    blame: 'platform',
    text: 'Too many requests are waiting for the database: try again later',
    doc: 'FN_DB_MAX_WAITING requests are already waiting. Sent with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseFailed: {
    status: 503,
    blame: 'platform',
    text: 'The database cannot be used: {reason}',
    doc: 'The disk is full, the file is read-only, damaged, deleted or replaced, or the server cannot be reached. Nothing was changed. The log of the node names the file or server and what to do. Sent with Retry-After.',
    retryAfterSeconds: 15,
  },
  queueFull: {
    status: 503,
    blame: 'platform',
    text: 'The queue of asynchronous calls is full: {what}',
    doc: 'A bound of the queue is reached (FN_MQ_MAX_CALLS, FN_MQ_MAX_BYTES, or the number of idempotency keys). Calls that wait are run, and dead letters can be purged. Sent with Retry-After.',
    retryAfterSeconds: 15,
  },
  queueShareFull: {
    status: 503,
    blame: 'platform',
    text: 'The function has its share of the queue of asynchronous calls: {what}',
    doc: 'The function has so many calls, dead letters included, or idempotency keys, that the rest of the room is kept for other functions. Sent with Retry-After.',
    retryAfterSeconds: 15,
  },
  delayInvalid: {
    status: 400,
    blame: 'caller',
    text: 'Fn-Delay is not valid. It should be a number of seconds from 0 to {max}',
    doc: 'How long the asynchronous call waits before it starts.',
  },
  queueOverloaded: {
    status: 503,
    blame: 'platform',
    text: 'Too many requests are waiting for the queue of asynchronous calls: try again later',
    doc: 'FN_MQ_MAX_WAITING requests are already waiting. Sent with Retry-After.',
    retryAfterSeconds: 5,
  },
  queueMessageTooBig: {
    status: 413,
    blame: 'caller',
    text: 'The asynchronous call is too large: {what}, {size} > max {max}',
    doc: 'The body is larger than FN_MQ_MAX_BODY, the headers are larger than 64 KiB, or the idempotency key is longer than 256 characters.',
  },
  databaseTextInvalid: entry(
    400,
    'A text has the character U+0000 or half of a surrogate pair, which cannot be stored',
    'Postgres has no texts that contain them, and in SQLite such an id would not be found again.',
  ),
  queueUnavailable: {
    status: 503,
    blame: 'platform',
    text: 'No queue of asynchronous calls is available: try again later',
    doc: 'No API node has confirmed that it keeps the call: none answers, or each cannot open its queue, for example because another process has it open, or another node leads it. The log says why. Sent with Retry-After.',
    retryAfterSeconds: 5,
  },
  asyncUnsupported: entry(
    400,
    'Async functions are not supported on this server',
    'The API node has no queue: FN_DB_URL names a database server, and FN_MQ_URL is not set.',
  ),
  queueNotInFile: entry(
    400,
    'The queue of asynchronous calls is not in a file of this node',
    'It has no backup of its own: that of its server contains it.',
  ),
  callTypeUnknown: entry(400, 'type is neither async nor callback', 'Which calls of a function are listed.'),
  callNotFound: entry(404, 'Call not found', 'The queue has no such call of this function, or has forgotten it.'),
  callLogNotFound: entry(
    404,
    'Call log not found',
    'The queue has no such call of this function, or has forgotten it.',
  ),
  logTypeUnacceptable: entry(
    406,
    'unable to respond within acceptable response content types',
    'A log is sent as `application/json` or as `text/plain`.',
  ),
  callEnded: entry(409, 'The call has already ended: {status}', 'A call that has ended cannot be cancelled.'),
  fromTimeInvalid: entry(400, 'from_time is not an epoch time', 'Expected whole seconds since 1970.'),
  toTimeInvalid: entry(400, 'to_time is not an epoch time', 'Expected whole seconds since 1970.'),
  callStatusUnknown: entry(
    400,
    'status is none of delayed, queued, running, success, error, cancelled',
    'The filter of a list of calls.',
  ),
  methodNotAllowed: entry(405, 'Method not allowed: {method} {path}', 'The path exists, but not with this method.'),
  clientCertMissing: entry(
    401,
    'A client certificate signed by the CA of this fleet is required',
    'This port requires client certificates (FN_HTTP_CLIENT_CERTS=required). `fnfleet certs issue` creates one.',
  ),
  clientCertRefused: entry(
    403,
    'The client certificate was rejected: {reason}',
    'It is signed by another CA (FN_TLS_CA), has expired, or has no name listed in FN_TLS_ALLOWED_NAMES.',
  ),
  operatorOnly: entry(
    401,
    'For operators only: show a client certificate of the fleet, or the operator token (Authorization: Bearer)',
    'The token is the value of FN_OPERATOR_TOKEN, or of the file that FN_OPERATOR_TOKEN_FILE names.',
  ),
  operatorTokenWrong: entry(
    403,
    'The token is not the operator token of this node',
    'Compare it with FN_OPERATOR_TOKEN of the node. A node without that setting accepts no token.',
  ),
  hostUnknown: entry(
    403,
    'This node is not known by the name {host}; FN_ALLOWED_HOSTS allows more names',
    'A node without TLS answers only to addresses, local names and its own name. Any other name may be a DNS rebinding attack of a web page.',
  ),
  foreignPage: entry(
    403,
    'Web pages of {origin} are not allowed to do this; FN_API_CORS_ORIGINS lists the allowed origins',
    'The request was sent by a web page of another origin.',
  ),
  pathNotFound: entry(404, 'Path not found: {method} {path}', 'This node type does not serve the path.'),
  invalidJson: entry(400, 'Invalid JSON', 'The body is not JSON, or a field has the wrong type.'),
  headersTooBig: entry(
    431,
    'Request header fields too large',
    'The request headers exceed FN_MAX_REQUEST_HEADER_SIZE, or FN_MAX_HDR_REQUEST_SIZE of the runner in the form that the function receives; or the HTTP library of the function rejected them.',
  ),
  badRequest: entry(400, 'Bad request: {reason}', 'The request is not well-formed HTTP.'),
  preconditionFailed: entry(
    412,
    'The resource is not in the state that If-Match or If-None-Match requires: read it again',
    'Somebody else changed it since the client read it (`ETag`), or it exists although `If-None-Match: *` forbids that. Nothing was changed.',
  ),
  requestTimeout: entry(
    408,
    'Timed out reading the request',
    'The request did not arrive within the read timeouts of the port.',
  ),
  invalidCursor: entry(400, 'Invalid cursor', 'Use `next_cursor` of the previous page, unchanged.'),
  missingName: entry(400, 'Missing Name', 'An app needs a name.'),
  appIdProvided: entry(400, 'App ID cannot be supplied on create', 'The server chooses the id.'),
  appIdMismatch: entry(
    400,
    'App ID in path does not match ID in body',
    'Omit the id from the body, or use the one in the path.',
  ),
  appNameTooLong: entry(400, 'App name must be 255 characters or less', 'Shorten the name.'),
  appNameInvalid: entry(400, 'Invalid app name', 'Letters, numbers, `_` and `-` only.'),
  appExists: entry(409, 'App already exists', 'App names are unique.'),
  appNameImmutable: entry(409, 'Could not update - name is immutable', 'The name of an app cannot be changed.'),
  callNotRemembered: entry(
    404,
    'This balancer has no record of the call',
    'Another balancer handled it, or it ended too many calls ago (FN_EXPLAIN_CALLS).',
  ),
  runnerEnding: entry(
    409,
    'The runner is shutting down and takes no more calls',
    '`DELETE /drain` cannot undo a shutdown (SIGTERM).',
  ),
  tooManyLogReaders: entry(
    503,
    'Too many clients are following runner logs through this balancer',
    'The limit is 64. Use another balancer, or ask a runner directly (`fnfleet logs --runner`).',
  ),
  tooManyFeedReaders: {
    ...entry(
      503,
      'This API node opens no more change feeds',
      'FN_FEED_MAX_READERS are open already, or the node is shutting down. Use another API node. Sent with Retry-After.',
    ),
    retryAfterSeconds: 5,
  },
  runnerNotInPool: entry(
    404,
    'This balancer has no runner {address}; it has {known}',
    'Only runners in the pool can be cordoned.',
  ),
  appNotFound: entry(404, 'App not found', 'No app has this id or name.'),
  appShapeInvalid: entry(400, 'Invalid app shape', 'One of GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM.'),
  syslogUrlInvalid: entry(400, 'invalid syslog url: "{url}" {reason}', 'tcp, udp, unix, unixgram or tcp+tls.'),
  fnIdMismatch: entry(
    400,
    'Fn ID in path does not match that in body',
    'Omit the id from the body, or use the one in the path.',
  ),
  fnIdProvided: entry(400, 'ID cannot be provided for Fn creation', 'The server chooses the id.'),
  fnNameMissing: entry(400, 'Missing Fn name', 'A function needs a name.'),
  fnNameInvalid: entry(400, 'name must be a valid string', 'Letters, digits and - _ . ~ $ & + : = @ only.'),
  fnNameTooLong: entry(400, 'Fn name must be 255 characters or less', 'Shorten the name.'),
  fnAppIdMissing: entry(400, 'Missing AppID on Fn', 'Name the app the function belongs to.'),
  fnImageMissing: entry(400, 'Missing image on Fn', 'Name the image of the function.'),
  fnTimeoutInvalid: entry(400, 'timeout value is out of range, must be between 0 and 300', 'Seconds.'),
  fnIdleTimeoutInvalid: entry(400, 'idle_timeout value is out of range, must be between 0 and 3600', 'Seconds.'),
  fnMemoryInvalid: entry(400, 'memory value is out of range. It should be between 0 and 8192', 'Megabytes.'),
  fnImageInvalid: entry(
    400,
    "Invalid Fn image '{image}': {problem}",
    'Expected [registry/]repository[:tag][@digest]. Common causes are an unexpanded variable and capital letters.',
  ),
  fnImageTooLong: entry(400, 'Fn image must be 1024 bytes or less', 'Image names cannot be longer.'),
  configTooLarge: entry(
    400,
    'Invalid config, keys and values may not be larger than 65536 bytes when serialized as JSON',
    'The configuration is sent with every call. An app and a function may each have this much; put larger data into the image or a data store.',
  ),
  configTooManyKeys: entry(
    400,
    'Invalid config, it must not have more than 1000 keys',
    'The configuration becomes the environment of a process.',
  ),
  configKeyInvalid: entry(
    400,
    'Invalid config, the key {key} is not a valid variable name: it must not be empty or contain =',
    'Keys become the names of environment variables.',
  ),
  configHasNul: entry(
    400,
    'Invalid config, keys and values must not contain NUL',
    'The configuration becomes the environment of a process, which cannot contain NUL.',
  ),
  fnStandbyInvalid: entry(
    400,
    'annotation fnfleet/standby is out of range. It should be a whole number between 0 and 100',
    'The number of started containers that each runner keeps for the function after its first call.',
  ),
  fnIdempotentInvalid: entry(
    400,
    'annotation fnfleet/idempotent is not valid. It should be true or false',
    'Whether a call may run again when its runner is lost before it answered.',
  ),
  asyncPolicyInvalid: entry(
    400,
    'annotation fnfleet/async is not valid: {problem}',
    'How the asynchronous calls of a function, or of the functions of an app, are run: see docs/async.md.',
  ),
  fnCallbacksInvalid: entry(
    400,
    'annotation fnfleet/callbacks is not valid: {problem}',
    'Where the outcome of asynchronous calls is sent: on_success, on_failure or both, each with a url or the fn_id of another function.',
  ),
  fnNotFound: entry(404, 'Fn not found', 'No function has this id.'),
  fnExists: entry(409, 'Fn with specified name already exists', 'Function names are unique within an app.'),
  triggerIdProvided: entry(400, 'ID cannot be provided for Trigger creation', 'The server chooses the id.'),
  triggerIdMismatch: entry(
    400,
    'ID in path does not match ID in body',
    'Omit the id from the body, or use the one in the path.',
  ),
  triggerCreatedAtProvided: entry(400, 'Trigger Created At Provided for Create', 'The server sets the time.'),
  triggerUpdatedAtProvided: entry(
    400,
    'Trigger ID Provided for Create',
    'The server sets updated_at (the text is Fn’s).',
  ),
  triggerNameMissing: entry(400, 'Missing name on Trigger', 'A trigger needs a name.'),
  triggerNameTooLong: entry(400, 'Trigger name must be 255 characters or less', 'Shorten the name.'),
  triggerNameInvalid: entry(400, 'Invalid name for Trigger', 'Letters, numbers, `_` and `-` only.'),
  triggerAppIdMissing: entry(400, 'Missing App ID on Trigger', 'Name the app.'),
  triggerFnIdMissing: entry(400, 'Missing Fn ID on Trigger', 'Name the function.'),
  triggerFnForeign: entry(400, 'Invalid Fn ID - not owned by specified app', 'The function belongs to another app.'),
  triggerTypeInvalid: entry(400, 'Trigger Type Not Supported', 'The types are http and schedule.'),
  triggerSourceMissing: entry(
    400,
    'Missing Trigger Source',
    'A trigger needs a source: a path, or the cron expression of a schedule.',
  ),
  triggerInvokeTypeInvalid: entry(
    400,
    'annotation fnfleet/invoke-type is not valid. It should be "sync" or "async"',
    'Whether calls of the trigger are asynchronous.',
  ),
  triggerSourcePrefix: entry(400, "Missing Trigger Source Prefix '/'", 'A source starts with a slash.'),
  triggerSourceHasNul: entry(400, 'Trigger Source must not contain NUL', 'Some databases cannot store it.'),
  triggerSourceTooLong: entry(400, 'Trigger Source must be 2048 bytes or less', 'Shorten the path.'),
  triggerNotFound: entry(404, 'Trigger not found', 'No trigger matches.'),
  triggerExists: entry(409, 'Trigger already exists', 'Trigger names are unique within a function.'),
  triggerSourceExists: entry(
    409,
    'Trigger with the same type and source exists on this app',
    'Sources of type http are unique within an app.',
  ),
  scheduleTooLong: entry(400, 'The cron expression must be 256 bytes or less', 'Shorten it, or make two schedules.'),
  scheduleInvalid: entry(
    400,
    'The cron expression is not valid: {problem}',
    'The source of a trigger of type schedule: minute, hour, day of the month, month and weekday; or six fields with seconds first; or @hourly, @daily, @weekly, @monthly, @yearly.',
  ),
  scheduleOptionsInvalid: entry(
    400,
    'annotation fnfleet/schedule is not valid: {problem}',
    'An object with any of time_zone, catch_up, body, content_type, spread_seconds and paused.',
  ),
  scheduleWithoutQueue: entry(
    400,
    'Schedules are not supported on this server: it has no queue of asynchronous calls',
    'A schedule makes asynchronous calls. Set FN_MQ_URL for the API node, or send the request to one that has a queue.',
  ),
  schedulesTooMany: entry(
    409,
    'The database already has {max} schedules',
    'Raise FN_SCHEDULES_MAX, or delete some. Paused ones count.',
  ),
  schedulesOverShare: entry(
    409,
    'The app has {own} of the {total} schedules of the database, which keeps room for other apps',
    'An app gets eight times as many as are left, alone eight ninths of FN_SCHEDULES_MAX. Raise that, or delete some. Paused ones count.',
  ),
  annotationKeyInvalid: entry(
    400,
    'Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace',
    'Printable ASCII without spaces.',
  ),
  annotationKeyTooLong: entry(
    400,
    'Invalid annotation key length, annotation keys may not be larger than 128 bytes',
    'Shorten the key.',
  ),
  annotationValueInvalid: entry(
    400,
    'Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays',
    'Empty strings and null are not allowed.',
  ),
  annotationValueTooLong: entry(
    400,
    'Invalid annotation value length, annotation values may not be larger than 512 bytes when serialized as JSON',
    'Shorten the value.',
  ),
  annotationsTooMany: entry(
    400,
    'Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)',
    'Remove some first.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export const ERRORS = { ...CALL_ERRORS, ...API_ERRORS } as const satisfies Record<string, ErrorEntry>;

/** The errors with which a call may end. */
export const CALL_ERROR_CODES = Object.keys(CALL_ERRORS) as (keyof typeof CALL_ERRORS)[];

export type ErrorCode = keyof typeof ERRORS;

function entry<T extends string>(status: number, text: T, doc: string) {
  return { status, blame: 'caller', text, doc } as const satisfies ErrorEntry;
}
