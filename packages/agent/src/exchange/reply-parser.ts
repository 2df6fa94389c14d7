import { canonicalHeader, type HeaderList, isHopByHop } from '@fnfleet/core';

/** What a parser reads replies for. Each is called synchronously; after `stop` none is. */
export interface ReplyHandler {
  /**
   * The head of the reply is there; information before it (1xx) is passed over.
   * @param length of the body, where it was announced
   */
  onHead(status: number, headers: HeaderList, length: number | undefined): void;
  /** Bytes of the body, the handler's to keep. */
  onData(chunk: Buffer): void;
  /** The reply is complete. Not called for one that lasts until the connection ends: see `end`. */
  onEnd(): void;
}

/** Why bytes are not a reply, or not one that is accepted. */
export class ReplyError extends Error {
  constructor(
    /**
     * - `syntax`  not HTTP, or more than one way to read it
     * - `tooBig`  the head is longer than allowed
     * - `early`   the connection ended before the reply was complete
     */
    readonly kind: 'syntax' | 'tooBig' | 'early',
    message: string,
  ) {
    super(message);
  }
}

export interface ReplyLimits {
  /** Bytes of a head, information before it and trailers included. */
  readonly maxHeadBytes: number;
}

/** More headers than this are too many, however short they are. */
const MAX_HEADERS = 1_000;
/** More information (1xx) than this before a reply is nonsense. */
const MAX_INFORMATION = 32;
/** A longer head is not remembered. */
const MAX_KNOWN_BYTES = 4 * 1024;
/** A chunk's size with its extensions. */
const MAX_SIZE_LINE_BYTES = 256;

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BEGIN = Buffer.from('HTTP/1.');
const CRLF = Buffer.from('\r\n');
const EMPTY = Buffer.alloc(0);

/** A reply's first line. Other versions of HTTP/1 there are not. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
/** What must not be in a line of a head: control characters, a bare CR or LF among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const FORBIDDEN = /[\0-\x08\x0a-\x1f\x7f]/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NON_ASCII = /[\x80-\xff]/;
const DIGITS = /^\d{1,15}$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/;

type State = 'head' | 'length' | 'untilEnd' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailers' | 'done' | 'stopped';

/** A head that was understood. */
interface Head {
  readonly status: number;
  readonly headers: HeaderList;
  /** Undefined: until the connection ends. */
  readonly body: { readonly length: number } | 'chunked' | undefined;
  readonly keepAlive: boolean;
}

/**
 * Reads one HTTP/1.1 reply after another, strictly: what two readers could understand in two ways is refused. So are two
 * lengths, a length beside chunks, folded lines, blanks before a colon, bare line feeds, and encodings other than chunked.
 * It keeps no more than one head or line that has not arrived completely.
 */
export class ReplyParser {
  private state: State = 'done';
  private handler: ReplyHandler | undefined;
  /** What is left of the body or of the chunk. */
  private left = 0;
  /** Of the heads of this reply. */
  private headBytes = 0;
  private information = 0;
  private trailers = 0;
  private keepAlive = true;
  private readonly partial = new PartialText();
  /** The bytes of the body that one `read` has found: many small chunks are one piece to the handler. */
  private found = EMPTY;
  private foundBytes = 0;
  /** The last head, byte for byte, and what it means: functions often send the same one again. */
  private knownBytes = EMPTY;
  private known: Head | undefined;

  constructor(private readonly limits: ReplyLimits) {}

  /** A reply is expected. */
  begin(handler: ReplyHandler): void {
    this.handler = handler;
    this.state = 'head';
    this.headBytes = 0;
    this.information = 0;
    this.trailers = 0;
  }

  /** The handler wants nothing more of this reply. */
  stop(): void {
    this.handler = undefined;
    this.partial.clear();
    this.found = EMPTY;
    this.foundBytes = 0;
    this.state = 'stopped';
  }

  /** It has begun a reply that is not complete. */
  get isReading(): boolean {
    return this.state !== 'done' && this.state !== 'stopped';
  }

  /** The reply is complete, and another request may follow on its connection. */
  get mayGoOn(): boolean {
    return this.state === 'done' && this.keepAlive;
  }

  /**
   * Takes bytes that have arrived. They stay the caller's.
   * @returns how many it took: fewer when the reply ended before they did, or the handler wanted no more
   * @throws ReplyError
   */
  read(bytes: Buffer): number {
    let at = 0;
    try {
      while (at < bytes.length && this.state !== 'done' && this.state !== 'stopped') {
        at = this.step(bytes, at);
      }
    } finally {
      this.handOver();
    }
    return at;
  }

  /** No more bytes will come. @throws ReplyError when the reply is not complete */
  end(): void {
    if (this.state === 'untilEnd') return this.finish();
    if (this.state !== 'done' && this.state !== 'stopped') throw new ReplyError('early', 'the connection ended early');
  }

  /** Returns the position after what it took. */
  private step(bytes: Buffer, at: number): number {
    switch (this.state) {
      case 'head':
        return this.readHead(bytes, at);
      case 'length':
      case 'chunkData':
        return this.readPiece(bytes, at);
      case 'untilEnd':
        this.give(bytes, at, bytes.length);
        return bytes.length;
      case 'chunkSize':
      case 'chunkEnd':
      case 'trailers':
        return this.readLine(bytes, at);
      default:
        return at;
    }
  }

  private readHead(bytes: Buffer, at: number): number {
    const allowed = this.limits.maxHeadBytes - this.headBytes;
    const end = this.partial.find(bytes, at, HEAD_END);
    const taken = (end === -1 ? bytes.length : end) - at;
    if (this.partial.length + taken > allowed) throw tooBig();
    if (end === -1) {
      this.partial.keep(bytes, at, bytes.length);
      // What cannot become a head is not waited for.
      if (!this.partial.mayBegin(HEAD_BEGIN)) throw syntax('the first line is not HTTP/1');
      return bytes.length;
    }
    const whole = this.partial.take(bytes, at, end);
    this.headBytes += whole.length;
    this.onHead(this.headOf(whole));
    return end;
  }

  private headOf(bytes: Buffer): Head {
    if (this.known !== undefined && this.knownBytes.equals(bytes)) return this.known;
    const head = parseHead(bytes);
    if (bytes.length <= MAX_KNOWN_BYTES) {
      // A copy: the bytes are the caller's.
      this.knownBytes = Buffer.from(bytes);
      this.known = head;
    }
    return head;
  }

  private onHead({ status, headers, body, keepAlive }: Head): void {
    if (status < 200) {
      // Nobody asked for either.
      if (status === 100 || status === 101) throw syntax(`unsolicited status ${status}`);
      this.information += 1;
      if (this.information > MAX_INFORMATION) throw syntax('too many informational responses');
      return;
    }
    this.keepAlive = keepAlive;
    const length = typeof body === 'object' ? body.length : undefined;
    if (body === 'chunked') this.state = 'chunkSize';
    else if (length === undefined) this.state = 'untilEnd';
    else this.state = 'length';
    this.left = length ?? 0;
    this.handler?.onHead(status, headers, length);
    if (length === 0 && this.state === 'length') this.finish();
  }

  private readPiece(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.left);
    this.left -= end - at;
    this.give(bytes, at, end);
    if (this.left > 0) return end;
    if (this.state === 'chunkData') this.state = 'chunkEnd';
    else if (this.state === 'length') this.finish();
    return end;
  }

  private readLine(bytes: Buffer, at: number): number {
    const limit = this.state === 'trailers' ? this.limits.maxHeadBytes - this.headBytes : MAX_SIZE_LINE_BYTES;
    const end = this.partial.find(bytes, at, CRLF);
    const taken = (end === -1 ? bytes.length : end) - at;
    if (this.partial.length + taken > limit)
      throw this.state === 'trailers' ? tooBig() : syntax('a chunk without a valid size');
    if (end === -1) {
      this.partial.keep(bytes, at, bytes.length);
      return bytes.length;
    }
    const line = this.partial.take(bytes, at, end);
    this.onLine(line.toString('latin1', 0, line.length - CRLF.length));
    return end;
  }

  private onLine(line: string): void {
    switch (this.state) {
      case 'chunkEnd':
        if (line !== '') throw syntax('a chunk is longer than its size');
        this.state = 'chunkSize';
        return;
      case 'chunkSize':
        return this.onChunkSize(line);
      default:
        return this.onTrailer(line);
    }
  }

  private onChunkSize(line: string): void {
    const size = FORBIDDEN.test(line) ? undefined : CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw syntax('a chunk without a valid size');
    this.left = Number.parseInt(size, 16);
    this.state = this.left === 0 ? 'trailers' : 'chunkData';
  }

  /** They are of no use to anybody, and checked like headers. */
  private onTrailer(line: string): void {
    if (line === '') return this.finish();
    this.headBytes += line.length + CRLF.length;
    this.trailers += 1;
    if (this.trailers > MAX_HEADERS) throw tooBig();
    splitHeader(line);
  }

  private give(bytes: Buffer, from: number, to: number): void {
    if (this.foundBytes === 0)
      this.found = Buffer.allocUnsafe(this.state === 'chunkData' ? bytes.length - from : to - from);
    this.foundBytes += bytes.copy(this.found, this.foundBytes, from, to);
  }

  private handOver(): void {
    if (this.foundBytes === 0) return;
    const piece = this.found.subarray(0, this.foundBytes);
    this.found = EMPTY;
    this.foundBytes = 0;
    this.handler?.onData(piece);
  }

  private finish(): void {
    this.handOver();
    const { handler } = this;
    if (this.state === 'untilEnd') this.keepAlive = false;
    this.state = 'done';
    this.handler = undefined;
    handler?.onEnd();
  }
}

/** A head or line as far as it has arrived. Copied into one buffer: pieces may be of one byte each. */
class PartialText {
  private bytes = EMPTY;
  length = 0;

  /** The position after the first `wanted`, which may have begun in what is kept; -1: it is not there yet. */
  find(bytes: Buffer, at: number, wanted: Buffer): number {
    if (this.length > 0) {
      // The beginning of what is searched for may be the end of what is kept.
      const tail = Math.min(this.length, wanted.length - 1);
      const fresh = Math.min(bytes.length - at, wanted.length - 1);
      const seam = Buffer.concat([
        this.bytes.subarray(this.length - tail, this.length),
        bytes.subarray(at, at + fresh),
      ]);
      const found = seam.indexOf(wanted);
      if (found !== -1) return at + found + wanted.length - tail;
    }
    const found = bytes.indexOf(wanted, at);
    return found === -1 ? -1 : found + wanted.length;
  }

  keep(bytes: Buffer, from: number, to: number): void {
    const needed = this.length + to - from;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(256, needed, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.length, from, to);
    this.length = needed;
  }

  /** Whether what is kept begins like this, as far as it goes. */
  mayBegin(expected: Buffer): boolean {
    const length = Math.min(this.length, expected.length);
    return this.bytes.compare(expected, 0, length, 0, length) === 0;
  }

  /** What was kept, and these bytes. Valid until the next call. */
  take(bytes: Buffer, from: number, to: number): Buffer {
    if (this.length === 0) return bytes.subarray(from, to);
    this.keep(bytes, from, to);
    const whole = this.bytes.subarray(0, this.length);
    this.clear();
    return whole;
  }

  /** What it kept is not kept for later replies. */
  clear(): void {
    this.bytes = EMPTY;
    this.length = 0;
  }
}

function parseHead(bytes: Buffer): Head {
  // With the ends of lines, but without the empty line.
  const text = bytes.toString('latin1', 0, bytes.length - CRLF.length);
  const firstEnd = text.indexOf('\r\n');
  const [, minor, status] = STATUS_LINE.exec(checked(text.slice(0, firstEnd))) ?? [];
  if (status === undefined) throw syntax('the first line is not HTTP/1');
  const isUtf8 = NON_ASCII.test(text);
  const headers: [string, string][] = [];
  const framing = new Framing(minor === '0');
  for (let at = firstEnd + 2, lines = 0; at < text.length; lines += 1) {
    if (lines === MAX_HEADERS) throw tooBig();
    const end = text.indexOf('\r\n', at);
    const [name, value] = splitHeader(text.slice(at, end));
    at = end + 2;
    framing.note(name, value);
    if (!isHopByHop(name, value)) headers.push([name, isUtf8 ? Buffer.from(value, 'latin1').toString() : value]);
  }
  return { status: Number(status), headers, body: framing.body, keepAlive: framing.keepAlive };
}

/** What the headers say of where the body ends. */
class Framing {
  keepAlive: boolean;
  private length: number | undefined;
  private chunked = false;

  constructor(private readonly isOld: boolean) {
    this.keepAlive = !isOld;
  }

  get body(): Head['body'] {
    if (this.chunked && this.length !== undefined) throw syntax('a Content-Length with a chunked body');
    if (this.chunked) return 'chunked';
    return this.length === undefined ? undefined : { length: this.length };
  }

  note(name: string, value: string): void {
    switch (name) {
      case 'Content-Length':
        if (this.length !== undefined) throw syntax('more than one Content-Length');
        if (!DIGITS.test(value)) throw syntax('a Content-Length that is not a number');
        this.length = Number(value);
        return;
      case 'Transfer-Encoding':
        if (this.chunked || this.isOld || value.toLowerCase() !== 'chunked')
          throw syntax('an unsupported Transfer-Encoding');
        this.chunked = true;
        return;
      case 'Connection': {
        const options = value.toLowerCase().split(',');
        if (options.some((option) => option.trim() === 'close')) this.keepAlive = false;
      }
    }
  }
}

/** The canonical name, and the value. */
function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  // A folded line begins with a blank, which is in no name.
  if (colon <= 0 || !TOKEN.test(name)) throw syntax('a header without a valid name');
  return [canonicalHeader(name), withoutBlanks(checked(line.slice(colon + 1)))];
}

/** Blanks of HTTP only: what else counts as one may be a byte of a character. */
function withoutBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function checked(text: string): string {
  if (FORBIDDEN.test(text)) throw syntax('control characters in the head');
  return text;
}

function syntax(message: string): ReplyError {
  return new ReplyError('syntax', message);
}

function tooBig(): ReplyError {
  return new ReplyError('tooBig', 'the head is too long');
}
