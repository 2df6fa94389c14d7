import { type HeaderList, MIB, type ResponseWriter } from '@fnfleet/core';

/** More than any sensible status, and less than the limit of a gRPC message. */
const MAX_BYTES = MIB;

/** Collects the response of a function as text. */
export class CollectedAnswer implements ResponseWriter {
  private readonly parts: Buffer[] = [];
  private bytes = 0;

  /** Whether the response exceeded the limit. */
  get tooLarge(): boolean {
    return this.bytes > MAX_BYTES;
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }

  writeHead(_status: number, _headers: HeaderList): void {}

  write(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (!this.tooLarge) this.parts.push(chunk);
    return true;
  }

  onDrain(callback: () => void): void {
    callback();
  }
}
