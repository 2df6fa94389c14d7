import protobuf from 'protobufjs/minimal.js';
import type {
  CallReport,
  ClientMessage,
  DataMessage,
  FinishedMessage,
  ResultStartMessage,
  RunnerMessage,
  StartedMessage,
  TryMessage,
} from '../engage/messages.js';
import { FieldWriter } from './field-writer.js';
import { instant, instantOf } from './wire-dates.js';

/**
 * Converts the two messages of Engage between bytes and our unions. It uses protobufjs's reader and a writer of our own instead
 * of its reflection, because it runs several times per call and produces exactly what the state machines need. The tests compare every
 * message with the reflection of `proto/runner.proto`, so the two cannot diverge.
 */
const { Reader } = protobuf;

const VARINT = 0;
const BYTES = 2;
const tag = (field: number, wireType: number) => (field << 3) | wireType;

const EMPTY = Buffer.alloc(0);

const STARTED: StartedMessage = { kind: 'started' };
const STARTED_FIELD = 1000;
const STARTED_KEY = tag(STARTED_FIELD, BYTES);
/** Of every message that is encoded: none begins before the one before it ends. */
const writer = new FieldWriter();

const STARTED_BYTES = encodeStarted();

export function encodeClientMessage(message: ClientMessage): Buffer {
  switch (message.kind) {
    case 'try':
      return encodeTry(message);
    case 'data':
      return encodeData(message);
    case 'unknown':
      return EMPTY;
  }
}

export function encodeRunnerMessage(message: RunnerMessage): Buffer {
  switch (message.kind) {
    case 'resultStart':
      return encodeResultStart(message);
    case 'data':
      return encodeData(message);
    case 'finished':
      return encodeFinished(message);
    case 'started':
      return STARTED_BYTES;
    case 'unknown':
      return EMPTY;
  }
}

/** The encoded size of a message if it exceeds `max` bytes. Very cheap for messages far below the limit. */
export function oversize(message: TryMessage | ResultStartMessage, max: number): number | undefined {
  let units = 0;
  if (message.kind === 'try') {
    const { callJson, slotHash, extensions } = message;
    units = callJson.length + slotHash.length;
    for (const name in extensions) units += name.length + (extensions[name] as string).length + PAIR_BYTES;
  } else for (const [name, value] of message.headers) units += name.length + value.length + PAIR_BYTES;
  // A UTF-16 unit takes at most three bytes.
  if (units * 3 + PAIR_BYTES < max) return undefined;
  const bytes = message.kind === 'try' ? encodeTry(message).length : encodeResultStart(message).length;
  return bytes > max ? bytes : undefined;
}

/** Overhead of a header or a map entry beyond its texts; and of a message beyond its fields. */
const PAIR_BYTES = 32;

/** @throws RangeError or Error if the bytes are not a message */
export function decodeClientMessage(bytes: Buffer): ClientMessage {
  const reader = Reader.create(bytes);
  let message: ClientMessage = { kind: 'unknown' };
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) message = decodeTry(nested(reader, bytes));
    else if (key === tag(2, BYTES)) message = decodeData(nested(reader, bytes));
    else reader.skipType(key & 7);
  }
  return message;
}

/** @throws RangeError or Error if the bytes are not a message */
export function decodeRunnerMessage(bytes: Buffer): RunnerMessage {
  const reader = Reader.create(bytes);
  let message: RunnerMessage = { kind: 'unknown' };
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) message = decodeResultStart(nested(reader, bytes)) ?? message;
    else if (key === tag(2, BYTES)) message = decodeData(nested(reader, bytes));
    else if (key === tag(3, BYTES)) message = decodeFinished(nested(reader, bytes));
    else if (key === STARTED_KEY) {
      reader.skipType(BYTES);
      message = STARTED;
    } else reader.skipType(key & 7);
  }
  return message;
}

function encodeStarted(): Buffer {
  writer.begin();
  writer.close(writer.open(STARTED_FIELD));
  return writer.end();
}

// --- try -------------------------------------------------------------------------------------------------------------

function encodeTry(message: TryMessage): Buffer {
  for (const _ in message.extensions) return encodeTryWithMore(message);
  return message.slotHash === '' ? encodeCallOnly(message.callJson) : encodeTryWithMore(message);
}

/** The form of nearly all offers: one text in one field in one field. */
function encodeCallOnly(callJson: string): Buffer {
  const bytes = Buffer.byteLength(callJson);
  const field = bytes > 0 ? 1 + varintLength(bytes) + bytes : 0;
  const encoded = Buffer.allocUnsafe(1 + varintLength(field) + field);
  encoded[0] = tag(1, BYTES);
  let at = writeVarint(encoded, 1, field);
  if (bytes === 0) return encoded;
  encoded[at] = tag(1, BYTES);
  at = writeVarint(encoded, at + 1, bytes);
  encoded.write(callJson, at, 'utf8');
  return encoded;
}

function encodeTryWithMore({ callJson, slotHash, extensions }: TryMessage): Buffer {
  writer.begin();
  const call = writer.open(1);
  writer.text(1, callJson);
  writer.text(2, slotHash);
  for (const name in extensions) writer.pair(3, name, extensions[name] as string);
  writer.close(call);
  return writer.end();
}

function decodeTry(bytes: Buffer): TryMessage {
  const reader = Reader.create(bytes);
  let callJson = '';
  let slotHash = '';
  const extensions: Record<string, string> = {};
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) callJson = reader.string();
    else if (key === tag(2, BYTES)) slotHash = reader.string();
    else if (key === tag(3, BYTES)) {
      const [name, value] = decodePair(nested(reader, bytes));
      extensions[name] = value;
    } else reader.skipType(key & 7);
  }
  return { kind: 'try', callJson, slotHash, extensions };
}

/** A map entry and a header have the same shape: key 1, value 2. */
function decodePair(bytes: Buffer): [key: string, value: string] {
  const reader = Reader.create(bytes);
  let name = '';
  let value = '';
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) name = reader.string();
    else if (key === tag(2, BYTES)) value = reader.string();
    else reader.skipType(key & 7);
  }
  return [name, value];
}

// --- data ------------------------------------------------------------------------------------------------------------

/** `DataFrame` is field 2 of both messages. */
function encodeData({ data, eof }: DataMessage): Buffer {
  const innerLength = (data.length > 0 ? 1 + varintLength(data.length) + data.length : 0) + (eof ? 2 : 0);
  const out = Buffer.allocUnsafe(1 + varintLength(innerLength) + innerLength);
  let at = 0;
  out[at++] = tag(2, BYTES);
  at = writeVarint(out, at, innerLength);
  if (data.length > 0) {
    out[at++] = tag(1, BYTES);
    at = writeVarint(out, at, data.length);
    data.copy(out, at);
    at += data.length;
  }
  if (eof) {
    out[at++] = tag(2, VARINT);
    out[at] = 1;
  }
  return out;
}

function decodeData(bytes: Buffer): DataMessage {
  const reader = Reader.create(bytes);
  let data: Buffer = EMPTY;
  let eof = false;
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) data = nested(reader, bytes);
    else if (key === tag(2, VARINT)) eof = reader.bool();
    else reader.skipType(key & 7);
  }
  return { kind: 'data', data, eof };
}

export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length += 1;
  return length;
}

export function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 127) {
    out[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}

// --- result_start ----------------------------------------------------------------------------------------------------

function encodeResultStart({ status, headers }: ResultStartMessage): Buffer {
  writer.begin();
  const outer = writer.open(1);
  const inner = writer.open(100);
  writer.number(1, status);
  for (const [name, value] of headers) writer.pair(2, name, value);
  writer.close(inner);
  writer.close(outer);
  return writer.end();
}

/** Undefined if the message announces an answer of an unknown kind. */
function decodeResultStart(bytes: Buffer): ResultStartMessage | undefined {
  const outer = Reader.create(bytes);
  let message: ResultStartMessage | undefined;
  while (outer.pos < outer.len) {
    const key = outer.uint32();
    if (key === tag(100, BYTES)) message = decodeHttpMeta(nested(outer, bytes));
    else outer.skipType(key & 7);
  }
  return message;
}

function decodeHttpMeta(bytes: Buffer): ResultStartMessage {
  const reader = Reader.create(bytes);
  let status = 0;
  const headers: [string, string][] = [];
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, VARINT)) status = reader.int32();
    else if (key === tag(2, BYTES)) headers.push(decodePair(nested(reader, bytes)));
    else reader.skipType(key & 7);
  }
  return { kind: 'resultStart', status, headers };
}

// --- finished --------------------------------------------------------------------------------------------------------

function encodeFinished({ report }: FinishedMessage): Buffer {
  writer.begin();
  const finished = writer.open(3);
  writer.flag(1, report.success);
  writer.text(2, report.callId);
  writer.number(3, report.errorCode);
  writer.text(4, report.errorText);
  writer.text(5, instant(report.createdAt));
  writer.text(6, instant(report.startedAt));
  writer.text(7, instant(report.completedAt));
  writer.number(8, report.schedulerNs);
  writer.number(9, report.executionNs);
  writer.flag(10, report.errorUser);
  writer.text(11, report.image);
  writer.number(12, report.imagePullWaitNs);
  writer.number(13, report.containerPrepareNs);
  writer.number(14, report.containerCreateNs);
  writer.number(15, report.containerInitNs);
  writer.text(1000, report.errorDetail);
  writer.number(1001, report.retryAfterSeconds);
  writer.text(1002, report.log);
  writer.close(finished);
  return writer.end();
}

function decodeFinished(bytes: Buffer): FinishedMessage {
  const reader = Reader.create(bytes);
  const report: { -readonly [K in keyof CallReport]: CallReport[K] } = { ...NOTHING_REPORTED };
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    switch (key) {
      case tag(1, VARINT):
        report.success = reader.bool();
        break;
      case tag(2, BYTES):
        report.callId = reader.string();
        break;
      case tag(3, VARINT):
        report.errorCode = reader.int32();
        break;
      case tag(4, BYTES):
        report.errorText = reader.string();
        break;
      case tag(1000, BYTES):
        report.errorDetail = reader.string();
        break;
      case tag(1001, VARINT):
        report.retryAfterSeconds = reader.int32();
        break;
      case tag(1002, BYTES):
        report.log = reader.string();
        break;
      case tag(5, BYTES):
        report.createdAt = instantOf(reader.string());
        break;
      case tag(6, BYTES):
        report.startedAt = instantOf(reader.string());
        break;
      case tag(7, BYTES):
        report.completedAt = instantOf(reader.string());
        break;
      case tag(8, VARINT):
        report.schedulerNs = nanoseconds(reader);
        break;
      case tag(9, VARINT):
        report.executionNs = nanoseconds(reader);
        break;
      case tag(10, VARINT):
        report.errorUser = reader.bool();
        break;
      case tag(11, BYTES):
        report.image = reader.string();
        break;
      case tag(12, VARINT):
        report.imagePullWaitNs = nanoseconds(reader);
        break;
      case tag(13, VARINT):
        report.containerPrepareNs = nanoseconds(reader);
        break;
      case tag(14, VARINT):
        report.containerCreateNs = nanoseconds(reader);
        break;
      case tag(15, VARINT):
        report.containerInitNs = nanoseconds(reader);
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  return { kind: 'finished', report };
}

export const NOTHING_REPORTED: CallReport = {
  success: false,
  callId: '',
  errorCode: 0,
  errorText: '',
  errorDetail: '',
  errorUser: false,
  retryAfterSeconds: 0,
  log: '',
  createdAt: undefined,
  startedAt: undefined,
  completedAt: undefined,
  schedulerNs: 0,
  executionNs: 0,
  image: '',
  imagePullWaitNs: 0,
  containerPrepareNs: 0,
  containerCreateNs: 0,
  containerInitNs: 0,
};

/** An int64 within the exact range of a number: nanoseconds of up to 104 days. Read without a Long. */
function nanoseconds(reader: protobuf.Reader): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = reader.buf[reader.pos];
    if (byte === undefined || reader.pos >= reader.len) throw new RangeError('truncated number');
    reader.pos += 1;
    value += (byte & 127) * scale;
    // A negative one is encoded as a huge one; a runner that reports it does not know the value.
    if (byte < 128) return Number.isSafeInteger(value) ? value : 0;
  }
}

// --- shared ----------------------------------------------------------------------------------------------------------

/** A length-delimited field as a view on the same memory. */
function nested(reader: protobuf.Reader, bytes: Buffer): Buffer {
  const length = reader.uint32();
  const start = reader.pos;
  reader.skip(length);
  return bytes.subarray(start, start + length);
}
