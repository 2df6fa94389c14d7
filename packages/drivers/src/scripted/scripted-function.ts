import type { ConnectionHandler, FunctionHandler, ScriptedFunction } from './scripted-container.js';

/** A function that answers over HTTP. */
export function fn(handler: FunctionHandler): ScriptedFunction {
  return { handler };
}

/** A function that receives the raw connection, for responses that are not HTTP or that end with the connection. */
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
