import {
  type BorrowedBytes,
  canonicalHeader,
  encodeQueuedResponse,
  type HeaderList,
  type HeaderMap,
  headerToText,
  type ResponseWriter,
} from '@fnfleet/core';
import type { CallResult } from '@fnfleet/queue';
import type { HeadMapping } from '../http/response-head.js';

/** Headers of a result beyond this size are not kept, in characters. */
const MAX_HEADERS = 8 * 1024;

/** The response of an asynchronous call: its first bytes, and the size of the whole. */
export class CollectedResponse implements ResponseWriter {
  status = 0;
  private readonly headers: HeaderMap = {};
  private readonly pieces: Buffer[] = [];
  private kept = 0;
  private size = 0;

  /** @param mapHead what a client would receive */
  constructor(
    private readonly maxBytes: number,
    private readonly mapHead: HeadMapping,
  ) {}

  writeHead(status: number, headers: HeaderList): void {
    if (this.status !== 0) return;
    const head = this.mapHead(status, headers);
    this.status = head.status;
    let room = MAX_HEADERS;
    for (let at = 0; at < head.headers.length; at += 2) {
      const name = head.headers[at] ?? '';
      const value = head.headers[at + 1] ?? '';
      room -= name.length + value.length;
      if (room < 0) return;
      const canonical = canonicalHeader(name);
      const text = headerToText(value);
      if (Object.hasOwn(this.headers, canonical)) this.headers[canonical]?.push(text);
      // The function chooses the names, and this is none that could be assigned.
      else if (canonical === '__proto__') {
        Object.defineProperty(this.headers, canonical, { value: [text], enumerable: true });
      } else this.headers[canonical] = [text];
    }
  }

  write(chunk: BorrowedBytes): boolean {
    const piece = Buffer.from(chunk.subarray(0, this.maxBytes - this.kept));
    if (piece.length > 0) this.pieces.push(piece);
    this.kept += piece.length;
    this.size += chunk.length;
    return true;
  }

  onDrain(_callback: () => void): void {}

  result(): CallResult {
    const { status, headers, size } = this;
    return { head: encodeQueuedResponse({ status, headers, size }), body: Buffer.concat(this.pieces) };
  }
}
