import type winston from 'winston';
import { printableLine } from './printable.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The part of winston's interface that the packages use, so that an embedder can pass any logger.
 * Every line about a call carries `callId`, `fnId` and, where one is involved, `runner`.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
  /** If false, a hot path need not build the fields of a debug line. */
  readonly debugEnabled: boolean;
}

/** Where winston stores the finished line. */
const LINE = Symbol.for('message');

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly fields?: LogFields;
  /** Destination of the lines; default standard error. */
  readonly stream?: NodeJS.WritableStream;
}

export function createLogger(options: LoggerOptions): Logger {
  // Loaded on first use: an embedder may have its own logger, and most commands log nothing.
  const winston: typeof import('winston') = require('winston');
  const { combine, timestamp, json, printf } = winston.format;
  const stream = options.stream ?? process.stderr;
  // The reader of the log may be gone (EPIPE). Logging that error would fail again, forever.
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  const line = options.format === 'json' ? json() : printf(textLine);
  const logger = winston.createLogger({
    level: options.level,
    format: combine(timestamp(), winston.format(unfoldErrors)(), line, winston.format(keptToOneLine)()),
    defaultMeta: options.fields,
    transports: [new winston.transports.Stream({ stream })],
  });
  return wrap(logger, options.level === 'debug');
}

/** Logs nothing; the default of every embeddable part. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
  debugEnabled: false,
};

function wrap(logger: winston.Logger, debugEnabled: boolean): Logger {
  return {
    error: (message, fields) => void logger.error(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    debug: (message, fields) => void (debugEnabled && logger.debug(message, fields)),
    child: (fields) => wrap(logger.child(fields), debugEnabled),
    debugEnabled,
  };
}

/** An error in a field is logged with its causes, which usually have the real reason. */
function unfoldErrors(info: winston.Logform.TransformableInfo): winston.Logform.TransformableInfo {
  for (const [key, value] of Object.entries(info)) {
    if (value instanceof Error) info[key] = describe(value);
  }
  return info;
}

function describe(error: Error): string {
  const own = error.message || error.name;
  return error.cause instanceof Error ? `${own}: ${describe(error.cause)}` : own;
}

/** Messages may also quote external input, and terminals show JSON too. */
function keptToOneLine(info: winston.Logform.TransformableInfo): winston.Logform.TransformableInfo {
  info[LINE] = printableLine(String(info[LINE]));
  return info;
}

function textLine({ timestamp, level, message, ...fields }: winston.Logform.TransformableInfo): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${quote(value)}`)
    .join('');
  return `${timestamp} ${level.toUpperCase().padEnd(5)} ${message}${rest}`;
}

/** Quotes a value so that an entry stays on one line, whatever a client managed to get into a field. */
function quote(value: unknown): string {
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return plain !== undefined && /^[\w.:/@+-]+$/.test(plain) ? plain : JSON.stringify(plain);
}
