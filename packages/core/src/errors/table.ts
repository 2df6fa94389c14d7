/**
 * Every error that a client, a peer or an operator can see, once. `docs/errors.md` is rendered from this table and a
 * test keeps the two equal.
 *
 * - `status` is the HTTP status, and the `errorCode` on the wire.
 * - `blame` says whose fault it was. `function` and `caller` travel to a balancer as `errorUser`.
 * - `text` is what clients see, to the letter: Fn clients match on it. `{name}` parts are filled in by `FnError`.
 * - `retryAfterSeconds` is what a client is told to wait (`Retry-After`), unless whoever raises the error knows better.
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
    doc: 'No runner had room in time, too many calls wait for one already, or the node is shutting down. Comes with Retry-After.',
    retryAfterSeconds: 15,
  },
  appOverShare: {
    status: 429,
    blame: 'caller',
    text: 'Too many calls of this application are waiting, send fewer at a time or try again later',
    doc: 'The runners are full and this application has more calls waiting than its share. Comes with Retry-After.',
    retryAfterSeconds: 15,
  },
  runnersUnknown: {
    status: 503,
    blame: 'platform',
    text: 'The runners cannot be looked up',
    doc: 'The source of the runner pool (FN_RUNNER_POOL) cannot be read, and none of the runners known so far took the call. The log of the balancer says why.',
  },
  resourceTooBig: {
    status: 400,
    blame: 'caller',
    text: 'Requested CPU/Memory cannot be allocated',
    doc: 'The memory or CPU asked for exceeds what the runner has in total. Ask for less.',
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
    doc: 'The call has waited for FN_IMAGE_WAIT_MSECS, or its deadline has passed, and its image is still on its way to the runner. The pull goes on. Comes with Retry-After.',
    retryAfterSeconds: 10,
  },
  imagePullTimeout: {
    status: 504,
    blame: 'function',
    text: 'Image pull timed out',
    doc: 'The image did not arrive within FN_HOT_PULL_TIMEOUT_MSECS.',
  },
  imagePullFailed: {
    status: 502,
    blame: 'function',
    text: "Failed to pull image '{image}': {reason}",
    doc: 'The image is not on the engine of the runner, and the registry or the engine refused it. A 4xx status of the engine is passed on.',
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
    text: "There cannot be an image '{image}': {problem}",
    doc: 'The image of the function is no reference: [registry/]repository[:tag][@digest]. Often a variable that nobody replaced, or capital letters.',
  },
  containerRefused: {
    status: 400,
    blame: 'function',
    text: 'Container cannot be made: {problem}',
    doc: 'The Docker engine refuses it: an image without a command, a variable without a name, a syslog address that is none. fnfleet explain and the log of the runner have its words.',
  },
  containerInitFailed: {
    status: 502,
    blame: 'function',
    text: 'Container failed to initialize, please ensure you are using the latest fdk and check the logs',
    doc: 'The container ended, or offered something other than a socket, before it could take a call.',
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
    doc: 'The function could not be reached, died, or answered with something that is not HTTP. How it ended is in fnfleet explain and in the log of the runner.',
  },
  functionResponseTooBig: {
    status: 502,
    blame: 'function',
    text: 'function response body too large',
    doc: 'The answer is larger than FN_MAX_RESPONSE_SIZE.',
  },
  functionResponseHeaderTooBig: {
    status: 502,
    blame: 'function',
    text: 'function response header too large',
    doc: 'The headers of the answer are larger than FN_MAX_HDR_RESPONSE_SIZE, or more than 1 000.',
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
    text: 'The call without its body is larger than a runner takes: {bytes} bytes, at most {max}',
    doc: 'Configuration, annotations and headers of a call travel to a runner in one message of at most 4 MiB. Shorten the configuration of the function or of its app.',
  },
  runnerAnswerInvalid: {
    status: 502,
    blame: 'platform',
    text: 'Invalid answer of the runner',
    doc: 'A runner announced an answer with a status that no answer can have. The log has it.',
  },
  lookupUnavailable: {
    status: 503,
    blame: 'platform',
    text: 'Functions cannot be looked up at the moment',
    doc: 'The api node (FN_RUNNER_API_URL) did not answer, failed several times in a row, answered about something else, or has more to look up than it answers in a second. The log has the reason.',
  },
  clientCancelled: {
    status: 444,
    blame: 'caller',
    text: 'Client cancelled context',
    doc: 'The client went away before the answer was complete. Seen only in logs and metrics.',
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
    doc: 'The runner was not set up for detached calls.',
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
    doc: 'Something failed that the caller cannot mend. The log has the cause under the call id.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** Errors of the HTTP layer and of the control plane (apps, functions, triggers). */
const API_ERRORS = {
  databaseBusy: {
    status: 503,
    blame: 'platform',
    text: 'The database is locked by somebody else, and nothing was changed: try again later',
    doc: 'Another process has the write lock of the database, or writes before this one took all of FN_DB_TIMEOUT_MSECS. Comes with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseSlow: {
    status: 503,
    blame: 'platform',
    text: 'The database did not answer in time: a change may have been made, or be made yet',
    doc: 'A statement took longer than FN_DB_TIMEOUT_MSECS, as with a disk that hangs. Comes with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseOverloaded: {
    status: 503,
    blame: 'platform',
    text: 'Too many requests wait for the database: try again later',
    doc: 'FN_DB_MAX_WAITING requests wait already. Comes with Retry-After.',
    retryAfterSeconds: 5,
  },
  databaseFailed: {
    status: 503,
    blame: 'platform',
    text: 'The database cannot be used: {reason}',
    doc: 'Full disk, read-only or damaged file, a file that was deleted or replaced. Nothing was changed. The log of the node names the file and what to do. Comes with Retry-After.',
    retryAfterSeconds: 15,
  },
  methodNotAllowed: entry(405, 'Method not allowed: {method} {path}', 'The path exists for another method.'),
  clientCertMissing: entry(
    401,
    'A client certificate is required, one that the CA of this fleet has signed',
    'Callers of this port show a certificate (FN_HTTP_CLIENT_CERTS=required). `fnfleet certs issue` makes one.',
  ),
  clientCertRefused: entry(
    403,
    'The client certificate is refused: {reason}',
    'It is signed by another CA (FN_TLS_CA), expired, or has no name of FN_TLS_ALLOWED_NAMES.',
  ),
  operatorOnly: entry(
    401,
    'For operators only: show a client certificate of the fleet, or the operator token (Authorization: Bearer)',
    'The token is in FN_OPERATOR_TOKEN, or in the file that FN_OPERATOR_TOKEN_FILE names.',
  ),
  operatorTokenWrong: entry(
    403,
    'The token is not the operator token of this node',
    'Compare with FN_OPERATOR_TOKEN of the node; where that is unset, no token is taken.',
  ),
  hostUnknown: entry(
    403,
    'This node does not know itself by the name {host}; FN_ALLOWED_HOSTS gives it others',
    'A node in plain text answers to addresses, local names and its own. Any other may belong to a web page that had its name lead here.',
  ),
  foreignPage: entry(
    403,
    'A web page of {origin} may not do this; FN_API_CORS_ORIGINS names those that may',
    'The request comes from a page in a browser, and the page is not from this node.',
  ),
  pathNotFound: entry(404, 'Path not found: {method} {path}', 'This kind of node does not serve the path.'),
  invalidJson: entry(400, 'Invalid JSON', 'The body is not JSON, or a field has the wrong type.'),
  headersTooBig: entry(
    431,
    'Request header fields too large',
    'The request headers exceed FN_MAX_REQUEST_HEADER_SIZE, or as a function would get them FN_MAX_HDR_REQUEST_SIZE of the runner; or the HTTP library of the function does not take them.',
  ),
  badRequest: entry(400, 'Bad request: {reason}', 'The request is not well-formed HTTP.'),
  requestTimeout: entry(
    408,
    'Request timed out while it was being read',
    'The request did not arrive within the read timeouts of the port.',
  ),
  invalidCursor: entry(400, 'Invalid cursor', 'Use `next_cursor` of the page before, as it came.'),
  missingName: entry(400, 'Missing Name', 'An app needs a name.'),
  appIdProvided: entry(400, 'App ID cannot be supplied on create', 'The server chooses the id.'),
  appIdMismatch: entry(
    400,
    'App ID in path does not match ID in body',
    'Leave the id out of the body, or make it equal.',
  ),
  appNameTooLong: entry(400, 'App name must be 255 characters or less', 'Shorten the name.'),
  appNameInvalid: entry(400, 'Invalid app name', 'Letters, numbers, `_` and `-` only.'),
  appExists: entry(409, 'App already exists', 'App names are unique.'),
  appNameImmutable: entry(409, 'Could not update - name is immutable', 'An app keeps its name.'),
  callNotRemembered: entry(
    404,
    'This balancer does not remember the call',
    'Another balancer has had it, or it ended too many calls ago (FN_EXPLAIN_CALLS).',
  ),
  runnerEnding: entry(
    409,
    'The runner is about to end and takes no more calls',
    'A runner that has been told to stop (SIGTERM) cannot be brought back by `DELETE /drain`.',
  ),
  tooManyLogReaders: entry(
    503,
    'Too many follow the logs of runners through this balancer',
    'At most 64 at a time. Another balancer, or a runner itself (fnfleet logs --runner), can be asked.',
  ),
  runnerNotInPool: entry(
    404,
    'This balancer has no runner {address}; it has {known}',
    'Only runners of the pool can be cordoned.',
  ),
  appNotFound: entry(404, 'App not found', 'No app has this id or name.'),
  appShapeInvalid: entry(400, 'Invalid app shape', 'One of GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM.'),
  syslogUrlInvalid: entry(400, 'invalid syslog url: "{url}" {reason}', 'tcp, udp, unix, unixgram or tcp+tls.'),
  fnIdMismatch: entry(
    400,
    'Fn ID in path does not match that in body',
    'Leave the id out of the body, or make it equal.',
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
    "Fn image '{image}' cannot be the name of one: {problem}",
    '[registry/]repository[:tag][@digest]. Often a variable that nobody replaced, or capital letters.',
  ),
  fnImageTooLong: entry(400, 'Fn image must be 1024 bytes or less', 'No name of an image is longer.'),
  configTooLarge: entry(
    400,
    'Invalid config, keys and values may not be larger than 65536 bytes when serialized as JSON',
    'It travels with every call. Of an app and of a function each has so much; what is larger belongs into the image or a store.',
  ),
  configTooManyKeys: entry(
    400,
    'Invalid config, it may not have more than 1000 keys',
    'It becomes the environment of a process.',
  ),
  configKeyInvalid: entry(
    400,
    'Invalid config, the key {key} cannot be the name of a variable: a name is not empty and has no =',
    'They become the environment of a process.',
  ),
  configHasNul: entry(
    400,
    'Invalid config, keys and values may not contain NUL',
    'They become the environment of a process, which cannot hold it.',
  ),
  fnStandbyInvalid: entry(
    400,
    'annotation fnfleet/standby is out of range. It should be a whole number between 0 and 100',
    'How many containers of the function each runner that has run it keeps started.',
  ),
  fnIdempotentInvalid: entry(
    400,
    'annotation fnfleet/idempotent is not valid. It should be true or false',
    'Whether a call of the function may run again when its runner is lost before the answer.',
  ),
  fnNotFound: entry(404, 'Fn not found', 'No function has this id.'),
  fnExists: entry(409, 'Fn with specified name already exists', 'Function names are unique within an app.'),
  triggerIdProvided: entry(400, 'ID cannot be provided for Trigger creation', 'The server chooses the id.'),
  triggerIdMismatch: entry(
    400,
    'ID in path does not match ID in body',
    'Leave the id out of the body, or make it equal.',
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
  triggerTypeInvalid: entry(400, 'Trigger Type Not Supported', 'The only type is http.'),
  triggerSourceMissing: entry(400, 'Missing Trigger Source', 'A trigger needs a source path.'),
  triggerSourcePrefix: entry(400, "Missing Trigger Source Prefix '/'", 'A source starts with a slash.'),
  triggerSourceTooLong: entry(400, 'Trigger Source must be 2048 bytes or less', 'Shorten the path.'),
  triggerNotFound: entry(404, 'Trigger not found', 'No trigger matches.'),
  triggerExists: entry(409, 'Trigger already exists', 'Trigger names are unique within a function.'),
  triggerSourceExists: entry(
    409,
    'Trigger with the same type and source exists on this app',
    'Sources are unique within an app.',
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
    'Neither an empty string nor null.',
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

export type ErrorCode = keyof typeof ERRORS;

function entry<T extends string>(status: number, text: T, doc: string) {
  return { status, blame: 'caller', text, doc } as const satisfies ErrorEntry;
}
