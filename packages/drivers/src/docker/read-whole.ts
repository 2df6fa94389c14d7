import type { Readable } from 'node:stream';
import { EngineNonsenseError } from './engine-errors.js';

/**
 * Reads an answer to its end.
 * @throws EngineNonsenseError when it is longer than `maxBytes`; the stream's error
 */
export async function readWhole(response: Readable, maxBytes: number): Promise<string> {
  const { text, isWhole } = await readUpTo(response, maxBytes);
  if (isWhole) return text;
  throw new EngineNonsenseError(`the Docker engine answered with more than ${maxBytes} bytes`);
}

/** Reads an answer up to the limit, and aborts it beyond that. @throws the stream's error */
export async function readUpTo(response: Readable, maxBytes: number): Promise<{ text: string; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  return { text: Buffer.concat(chunks).toString('utf8', 0, Math.min(bytes, maxBytes)), isWhole: bytes <= maxBytes };
}
