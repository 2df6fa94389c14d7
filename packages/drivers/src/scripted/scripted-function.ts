import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { ContainerSpec, ImagePull } from '../driver.js';
import type { ScriptedContainer } from './scripted-container.js';

/** What a container of the scripted driver does. Parts combine: `{ ...fn(handler), pauseError: new Error('…') }`. */
export interface ScriptedFunction {
  /** Answers requests. */
  readonly handler?: FunctionHandler;
  /** Gets each connection as it is, in place of HTTP. */
  readonly connectionHandler?: ConnectionHandler;
  /** Puts the server where the runner looks for it; binds it there unless given. */
  readonly offer?: (server: Server, socketPath: string, spec: ContainerSpec) => Promise<unknown>;
  /** Ends at start with this exit code, before a socket is there. */
  readonly exitAtStart?: number;
  /** Starts and runs, but never opens its socket. */
  readonly neverListens?: boolean;
  /** How long a pull is said to have taken, in nanoseconds; 0 unless given: the image is here. */
  readonly pullNs?: number;
  /** What is told of its pull, before the gate; nothing unless given. */
  readonly pull?: ImagePull;
  /** What the step of this name fails with. */
  readonly pullError?: Error;
  readonly createError?: Error;
  readonly startError?: Error;
  readonly pauseError?: Error;
  readonly resumeError?: Error;
}

export type FunctionHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  container: ScriptedContainer,
) => unknown;

export type ConnectionHandler = (socket: Socket, container: ScriptedContainer) => unknown;

/** A function that answers over HTTP. */
export function fn(handler: FunctionHandler): ScriptedFunction {
  return { handler };
}

/** A function that gets the bare connection: for answers that are not HTTP, or that end with the connection. */
export function rawFn(connectionHandler: ConnectionHandler): ScriptedFunction {
  return { connectionHandler };
}

export function neverListens(): ScriptedFunction {
  return { neverListens: true };
}

export function exitsAtStart(exitCode: number): ScriptedFunction {
  return { exitAtStart: exitCode };
}

export function pullFails(pullError: Error): ScriptedFunction {
  return { pullError };
}
