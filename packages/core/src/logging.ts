import type winston from 'winston';
import { printableLine } from './printable.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The little of winston that the packages use, so that an embedder can pass any logger.
 * Every line about a call carries `callId`, `fnId` and, where one is involved, `runner`.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
  /** False lets a hot path skip building the fields of a line that nobody will see. */
  readonly debugEnabled: boolean;
}

/** Where winston keeps the finished line. */
const LINE = Symbol.for('message');

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly fields?: LogFields;
  /** Where lines go; standard error unless given. */
  readonly stream?: NodeJS.WritableStream;
}

export function createLogger(options: LoggerOptions): Logger {
  // Loaded by those who log: an embedder may have a logger of its own, and most commands say what they say themselves.
  const winston: typeof import('winston') = require('winston');
  const { combine, timestamp, json, printf } = winston.format;
  const stream = options.stream ?? process.stderr;
  // Whoever read the log may be gone (EPIPE). Telling the log of it would fail again, for ever.
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

/** Says nothing; the default of every embeddable part. */
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

/** An error in a field is logged with its causes: that is where the real reason usually is. */
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

/** A message, too, may quote what somebody sent. Also JSON is read on terminals. */
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

/** Quoting keeps one entry on one line, whatever a client managed to get into a field. */
function quote(value: unknown): string {
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return plain !== undefined && /^[\w.:/@+-]+$/.test(plain) ? plain : JSON.stringify(plain);
}
