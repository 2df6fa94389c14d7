import { StringDecoder } from 'node:string_decoder';

/** As much of the beginning of a text as takes so many bytes in UTF-8, in whole characters. */
export function firstBytes(text: string, maxBytes: number): string {
  // A character of UTF-16 takes three bytes at most.
  if (3 * text.length <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  return new StringDecoder('utf8').write(Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes));
}
