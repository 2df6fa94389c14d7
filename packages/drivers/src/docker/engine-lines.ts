import type { Readable } from 'node:stream';
import { EngineNonsenseError } from './engine-errors.js';

/** Longer than any line of a well-behaved engine. */
const MAX_LINE_CHARACTERS = 64 * 1024;

/**
 * The lines of a stream, without line endings.
 * @throws EngineNonsenseError when a line is too long; the stream's error
 */
export async function* linesOf(stream: Readable, maxCharacters = MAX_LINE_CHARACTERS): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  let line = '';
  for await (const chunk of stream as AsyncIterable<string>) {
    let from = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', from)) {
      line += chunk.slice(from, end);
      from = end + 1;
      yield line;
      line = '';
    }
    line += chunk.slice(from);
    if (line.length > maxCharacters) throw new EngineNonsenseError('the Docker engine sent a line that is too long');
  }
  if (line !== '') yield line;
}
