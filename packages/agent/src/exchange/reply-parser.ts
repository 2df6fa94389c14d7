import { type BorrowedBytes, canonicalHeader, type HeaderList, isHopByHop, lend } from '@fnfleet/core';

/** Receives the parts of a response, synchronously. Nothing is called after `stop`. */
export interface ReplyHandler {
  /**
   * The head of the response is complete. Informational responses (1xx) before it are skipped.
   * @param length of the body, if it was announced
   */
  onHead(status: number, headers: HeaderList, length: number | undefined): void;
  /** Bytes of the body. */
  onData(chunk: BorrowedBytes): void;
  /** The response is complete. A response that lasts until the connection ends completes in `end`. */
  onEnd(): void;
}

/** The bytes are not a response, or not an acceptable one. */
export class ReplyError extends Error {
  constructor(
    /**
     * - `syntax`  not HTTP, or ambiguous
     * - `tooBig`  the head is longer than allowed
     * - `early`   the connection ended before the response was complete
     */
    readonly kind: 'syntax' | 'tooBig' | 'early',
    message: string,
  ) {
    super(message);
  }
}

export interface ReplyLimits {
  /** Maximum size of a head, including preceding informational responses and trailers. */
  readonly maxHeadBytes: number;
}

/** Maximum number of headers, however short they are. */
const MAX_HEADERS = 1_000;
/** Maximum number of informational responses (1xx) before a response. */
const MAX_INFORMATION = 32;
/** A longer head is not cached. */
const MAX_KNOWN_BYTES = 4 * 1024;
/** Maximum length of the line with the size and the extensions of a chunk. */
const MAX_SIZE_LINE_BYTES = 256;

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BEGIN = Buffer.from('HTTP/1.');
const CRLF = Buffer.from('\r\n');
const EMPTY = Buffer.alloc(0);

/** For the chunks of one read. Shared, because they are handed over before anything else is read. */
let mergeBuffer: Buffer = Buffer.alloc(0);

/** The status line. There are no other versions of HTTP/1. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
/** Control characters that a line of a head must not contain, including a bare CR or LF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const FORBIDDEN = /[\0-\x08\x0a-\x1f\x7f]/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NON_ASCII = /[\x80-\xff]/;
const DIGITS = /^\d{1,15}$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/;

type State = 'head' | 'length' | 'untilEnd' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailers' | 'done' | 'stopped';

/** A parsed head. */
interface Head {
  readonly status: number;
  readonly headers: HeaderList;
  /** Undefined if the body lasts until the connection ends. */
  readonly body: { readonly length: number } | 'chunked' | undefined;
  readonly keepAlive: boolean;
}

/**
 * Parses one HTTP/1.1 response after another, strictly: whatever two parsers could interpret differently is rejected. That
 * includes two lengths, a length with a chunked body, folded lines, whitespace before a colon, bare line feeds, and encodings
 * other than chunked. It buffers at most one incomplete head or line.
 */
export class ReplyParser {
  private state: State = 'done';
  private handler: ReplyHandler | undefined;
  /** Remaining bytes of the body or of the chunk. */
  private left = 0;
  /** Total size of the heads of this response. */
  private headBytes = 0;
  private information = 0;
  private trailers = 0;
  private keepAlive = true;
  private readonly partial = new PartialText();
  /** The body bytes of one `read`. Many small chunks are passed to the handler as one piece. */
  private found: Buffer = EMPTY;
  private merged = false;
  /** The last head, byte for byte, and its parsed form: functions often send the same head again. */
  private knownBytes = EMPTY;
  private known: Head | undefined;

  constructor(private readonly limits: ReplyLimits) {}

  /** Starts parsing a response. */
  begin(handler: ReplyHandler): void {
    this.handler = handler;
    this.state = 'head';
    this.headBytes = 0;
    this.information = 0;
    this.trailers = 0;
  }

  /** Stops parsing. The handler gets nothing more of this response. */
  stop(): void {
    this.handler = undefined;
    this.partial.clear();
    this.found = EMPTY;
    this.state = 'stopped';
  }

  /** Whether a response is expected or incomplete. */
  get isReading(): boolean {
    return this.state !== 'done' && this.state !== 'stopped';
  }

  /** Whether the response is complete and its connection can carry another request. */
  get mayGoOn(): boolean {
    return this.state === 'done' && this.keepAlive;
  }

  /**
   * Parses received bytes.
   * @returns how many bytes it consumed: fewer when the response ended before they did, or parsing was stopped
   * @throws ReplyError
   */
  read(bytes: BorrowedBytes): number {
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

  /** The connection ended. @throws ReplyError when the response is not complete */
  end(): void {
    if (this.state === 'untilEnd') return this.finish();
    if (this.state !== 'done' && this.state !== 'stopped') throw new ReplyError('early', 'the connection ended early');
  }

  /** Returns the position after the consumed bytes. */
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
      // Reject early what cannot become a head.
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
      this.knownBytes = Buffer.from(bytes);
      this.known = head;
    }
    return head;
  }

  private onHead({ status, headers, body, keepAlive }: Head): void {
    if (status < 200) {
      // Neither was requested.
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

  /** Trailers are validated like headers and then ignored. */
  private onTrailer(line: string): void {
    if (line === '') return this.finish();
    this.headBytes += line.length + CRLF.length;
    this.trailers += 1;
    if (this.trailers > MAX_HEADERS) throw tooBig();
    splitHeader(line);
  }

  private give(bytes: Buffer, from: number, to: number): void {
    const { length } = this.found;
    if (length === 0) {
      this.found = bytes.subarray(from, to);
      this.merged = false;
      return;
    }
    if (!this.merged) {
      if (mergeBuffer.length < bytes.length) mergeBuffer = Buffer.allocUnsafeSlow(bytes.length);
      this.found.copy(mergeBuffer);
      this.merged = true;
    }
    bytes.copy(mergeBuffer, length, from, to);
    this.found = mergeBuffer.subarray(0, length + to - from);
  }

  private handOver(): void {
    const { found } = this;
    if (found.length === 0) return;
    this.found = EMPTY;
    if (!this.merged) return this.handler?.onData(found);
    lend(found, (bytes) => this.handler?.onData(bytes));
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

/** An incomplete head or line. Copied into one buffer, because pieces may be one byte long. */
class PartialText {
  private bytes = EMPTY;
  length = 0;

  /** The position after the first `wanted`, which may begin in the buffered bytes; -1 if it has not arrived. */
  find(bytes: Buffer, at: number, wanted: Buffer): number {
    if (this.length > 0) {
      // The match may span the buffered and the new bytes.
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

  /** Whether the buffered bytes are a prefix of `expected` or start with it. */
  mayBegin(expected: Buffer): boolean {
    const length = Math.min(this.length, expected.length);
    return this.bytes.compare(expected, 0, length, 0, length) === 0;
  }

  /** The buffered bytes followed by these. Valid until the next call. */
  take(bytes: Buffer, from: number, to: number): Buffer {
    if (this.length === 0) return bytes.subarray(from, to);
    this.keep(bytes, from, to);
    const whole = this.bytes.subarray(0, this.length);
    this.clear();
    return whole;
  }

  /** Discards the buffer, so that it is not retained for later responses. */
  clear(): void {
    this.bytes = EMPTY;
    this.length = 0;
  }
}

function parseHead(bytes: Buffer): Head {
  // With line endings, but without the final empty line.
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

/** Derives from the headers where the body ends. */
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

/** Returns the canonical name and the value. */
function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  // A folded line begins with whitespace, which no name contains.
  if (colon <= 0 || !TOKEN.test(name)) throw syntax('a header without a valid name');
  return [canonicalHeader(name), withoutBlanks(checked(line.slice(colon + 1)))];
}

/** Trims only the whitespace of HTTP. Other whitespace may be a byte of a multi-byte character. */
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
