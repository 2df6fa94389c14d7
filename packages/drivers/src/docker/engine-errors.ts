import { CancelledError, FnError } from '@fnfleet/core';
import { parseImageReference } from './images/image-reference.js';

/** The error answer of the Docker engine to a request. */
export class EngineError extends Error {
  override readonly name = 'EngineError';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The engine sent an invalid answer. Whether it executed the request is unknown. */
export class EngineNonsenseError extends Error {
  override readonly name = 'EngineNonsenseError';
}

/** The engine did not answer in time. Whether it executed the request is unknown. */
export class EngineTimeoutError extends Error {
  override readonly name = 'EngineTimeoutError';

  constructor(api: string, timeoutMs: number) {
    super(`the Docker engine did not answer ${api} within ${timeoutMs} ms`);
  }
}

const NETWORK_CODES = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EACCES', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'];

/** The engine did not answer, or could not be reached. */
export function isUnreachable(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return error instanceof EngineTimeoutError || NETWORK_CODES.includes(code);
}

/** The engine sent an invalid answer, or something other than HTTP. */
function isNonsense(error: unknown): boolean {
  return error instanceof EngineNonsenseError || /^HPE_/.test((error as NodeJS.ErrnoException).code ?? '');
}

/** The engine cannot have received the request. */
export function isNobodyThere(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

export function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.status === 404;
}

/**
 * The only translation of engine errors to what the caller of a function sees. Errors without a place in the table are returned
 * unchanged: to a caller they are `internal`.
 */
export function fnErrorFromDocker(
  error: unknown,
  step: 'inspect' | 'pull' | 'create' | 'start',
  image: string,
): unknown {
  if (error instanceof FnError || error instanceof CancelledError) return error;
  // The function is not to blame and did not run: the engine of another runner may work.
  if (isUnreachable(error) || isNonsense(error)) return new FnError('serverBusy', { cause: error });
  if (step === 'pull') return pullFailed(error, image);
  // The image was removed since it was inspected; another runner may have it.
  if (step === 'create' && isNotFound(error)) return new FnError('serverBusy', { cause: error });
  if (step === 'inspect' && error instanceof EngineError && error.status === 400) {
    const problem = 'the Docker engine rejects the name';
    return new FnError('imageNameInvalid', { params: { image, problem }, cause: error, detail: error.message });
  }
  // Podman has no log driver of that name.
  if (step === 'create' && error instanceof EngineError && /\binvalid log driver\b/.test(error.message)) {
    return new FnError('syslogUnavailable', { cause: error, detail: error.message });
  }
  if (step === 'create' && isRefusedContainer(error)) {
    const params = { problem: problemOf(error.message) };
    return new FnError('containerRefused', { params, cause: error, detail: error.message });
  }
  if (step === 'start' && error instanceof EngineError) return startFailed(error);
  return error;
}

/**
 * The engine cannot create the container because of its image, limits, configuration or syslog address. Everything else in the
 * request is checked when the runner starts, and is the runner's fault.
 */
function isRefusedContainer(error: unknown): error is EngineError {
  if (!(error instanceof EngineError)) return false;
  if (error.status === 500) return PODMAN_REFUSAL.test(error.message);
  return (
    error.status === 400 &&
    !/\b(mount|bind|runtime|seccomp|apparmor|network|storage-opt|userns|ulimit)\b/i.test(error.message)
  );
}

/** Podman answers 500 where Docker answers 400. */
const PODMAN_REFUSAL = /\binvalid environment variable\b|\bno command or entrypoint provided\b/;

/** The problem for the function's owner. The engine's message may quote the configuration, so only operators see it. */
function problemOf(words: string): string {
  return (
    PROBLEMS.find(([pattern]) => pattern.test(words))?.[1] ??
    'the engine rejects the image, the limits or the configuration of the function'
  );
}

const PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/no command/i, 'the image has no command; give its Dockerfile a CMD or an ENTRYPOINT'],
  [/environment variable|\bnul\b|null byte/i, 'a key or value of the configuration cannot be an environment variable'],
  [/memory/i, 'the engine rejects the memory limit of the function'],
  [/cpu/i, 'the engine rejects the CPU limit of the function'],
  [/log(ging)?[ -]?(driver|opt)|syslog/i, 'the syslog address of the app is invalid'],
];

/** Errors that the image or the configuration causes: a 400, or a 404 or 500 with one of these messages. */
const OWN_FAULT =
  /unable to start container process: (exec|environment variable)|error during container init: environment variable|unable to find user|trying to send message larger than max/;

/** For developers who debug a function: the port is released when the other container reaches its idle timeout. */
const DEBUG_PORT_TAKEN =
  'the port of the debugger is in use; with FN_LOCAL_DEBUG only one container runs at a time, until its idle_timeout ends';

function startFailed(error: EngineError): Error {
  const { status, message } = error;
  if (message.includes('failed to initialize logging driver'))
    return new FnError('syslogUnavailable', { cause: error });
  // No other port is published.
  if (/\bport is already allocated\b|\bbind: address already in use\b/.test(message)) {
    return new FnError('containerRefused', { params: { problem: DEBUG_PORT_TAKEN }, cause: error, detail: message });
  }
  // A container of the prefork pool has ended since it was checked.
  if (/\bjoin(ing)? network\b/.test(message)) return new FnError('serverBusy', { cause: error });
  if (status === 400 || OWN_FAULT.test(message))
    return new FnError('containerInitFailed', { cause: error, detail: message });
  return error;
}

function pullFailed(error: unknown, image: string): FnError {
  const reason = error instanceof Error ? error.message : String(error);
  const status = refusalStatus(error, reason);
  const registry = parseImageReference(image).registry || 'docker.io';
  // Names the usual cause first: for a registry that was never set up, the error is one of DNS.
  const build = image.includes('@') ? '' : `build it with docker build -t ${image}, or `;
  const remedy = `it is not on this engine; ${build}push it to ${registry}`;
  return new FnError('imagePullFailed', {
    params: { image, reason: `${remedy}. Pulling it failed: ${reason}` },
    ...(status === undefined ? {} : { status }),
    cause: error,
  });
}

/**
 * The 4xx status with which the registry refused. Engines before 23.0 report 500 for rejected credentials, and for refusals that
 * consist of only a code and message of the distribution protocol, as those of some registries.
 */
function refusalStatus(error: unknown, reason: string): number | undefined {
  if (error instanceof EngineError && error.status >= 400 && error.status < 500) return error.status;
  return REFUSALS.find(([words]) => words.test(reason))?.[1];
}

const REFUSALS: readonly (readonly [RegExp, number])[] = [
  [/\bunauthorized: |^unauthorized$|: no basic auth credentials$/, 401],
  [/^denied(: |$)/, 403],
  [/^(manifest|name) unknown(: |$)/, 404],
];
