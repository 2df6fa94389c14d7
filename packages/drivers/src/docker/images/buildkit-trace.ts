import protobuf from 'protobufjs/minimal.js';

/** More than any Dockerfile has. Further steps may be reported more than once. */
const MAX_STEPS = 10_000;

/** Field numbers of BuildKit's StatusResponse and its parts. */
const VERTEXES = 1;
const LOGS = 3;
const VERTEX = { digest: 1, name: 3, cached: 4, started: 5 } as const;
const LOG = { message: 4 } as const;

interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  readonly started: boolean;
}

/**
 * Parses the progress messages of BuildKit, one per progress line of the engine. Each step is reported once, when it begins.
 */
export class BuildkitTrace {
  private readonly reported = new Set<string>();

  /**
   * @param message base64
   * @returns the text to show; empty if the message cannot be parsed
   */
  read(message: string): string {
    try {
      return this.textOf(protobuf.Reader.create(Buffer.from(message, 'base64')));
    } catch {
      return '';
    }
  }

  private textOf(reader: protobuf.Reader): string {
    let text = '';
    forEachField(reader, (field) => {
      if (field === VERTEXES) text += this.stepOf(vertexIn(part(reader)));
      else if (field === LOGS) text += messageIn(part(reader));
      else return false;
      return true;
    });
    return text;
  }

  private stepOf({ digest, name, cached, started }: Vertex): string {
    if (!(started || cached) || this.reported.has(digest)) return '';
    if (this.reported.size < MAX_STEPS) this.reported.add(digest);
    return `${cached ? 'CACHED ' : ''}${name}\n`;
  }
}

/** @param take returns whether it has read the field */
function forEachField(reader: protobuf.Reader, take: (field: number) => boolean): void {
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!take(tag >>> 3)) reader.skipType(tag & 7);
  }
}

function part(reader: protobuf.Reader): protobuf.Reader {
  return protobuf.Reader.create(reader.bytes());
}

function vertexIn(reader: protobuf.Reader): Vertex {
  const vertex = { digest: '', name: '', cached: false, started: false };
  forEachField(reader, (field) => {
    if (field === VERTEX.digest) vertex.digest = reader.string();
    else if (field === VERTEX.name) vertex.name = reader.string();
    else if (field === VERTEX.cached) vertex.cached = reader.bool();
    else if (field === VERTEX.started) vertex.started = reader.bytes().length > 0;
    else return false;
    return true;
  });
  return vertex;
}

function messageIn(reader: protobuf.Reader): string {
  let message = '';
  forEachField(reader, (field) => {
    if (field !== LOG.message) return false;
    message = Buffer.from(reader.bytes()).toString();
    return true;
  });
  return message;
}
