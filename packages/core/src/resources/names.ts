import type { ErrorCode } from '../errors/table.js';
import { matches, maxBytes, notEmpty, type Rule } from './rules.js';

const MAX_NAME_BYTES = 255;

/** Names of apps and triggers. */
export const WORD = /^[\p{L}\p{N}_-]+$/u;
/** Names of functions: the characters that a URL path segment holds without escapes. */
export const PATH_SEGMENT = /^[A-Za-z0-9\-_.~$&+:=@]+$/;

export function nameRules(
  pattern: RegExp,
  codes: { readonly missing: ErrorCode; readonly tooLong: ErrorCode; readonly invalid: ErrorCode },
): Rule<string>[] {
  return [notEmpty(codes.missing), maxBytes(MAX_NAME_BYTES, codes.tooLong), matches(pattern, codes.invalid)];
}
