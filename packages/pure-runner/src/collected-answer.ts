import { type HeaderList, MIB, type ResponseWriter } from '@fnfleet/core';

/** More than any sensible status, and less than a gRPC message may have. */
const MAX_BYTES = MIB;

/** The answer of a function as text. */
export class CollectedAnswer implements ResponseWriter {
  private readonly parts: Buffer[] = [];
  private bytes = 0;

  /** There was more than is kept. */
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
