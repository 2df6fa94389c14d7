import { FnError } from '../errors/fn-error.js';
import type { ErrorCode } from '../errors/table.js';

const MAX_NAME_BYTES = 255;

/** Names of apps and triggers. */
export const WORD = /^[\p{L}\p{N}_-]+$/u;
/** Names of functions: the characters that a URL path segment holds without escapes. */
export const PATH_SEGMENT = /^[A-Za-z0-9\-_.~$&+:=@]+$/;

/** @throws FnError with the given code */
export function validateName(
  name: string,
  pattern: RegExp,
  codes: { readonly missing: ErrorCode; readonly tooLong: ErrorCode; readonly invalid: ErrorCode },
): void {
  if (name === '') throw new FnError(codes.missing);
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw new FnError(codes.tooLong);
  if (!pattern.test(name)) throw new FnError(codes.invalid);
}
