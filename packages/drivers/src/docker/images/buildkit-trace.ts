import protobuf from 'protobufjs/minimal.js';

/** As many as any Dockerfile has. Later ones may be told more than once. */
const MAX_STEPS = 10_000;

/** Field numbers of BuildKit's StatusResponse and of what is in it. */
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
 * Reads how far BuildKit is: it says so in messages of its own, one for each line of what the engine says. Each step is told
 * once, when it begins.
 */
export class BuildkitTrace {
  private readonly told = new Set<string>();

  /**
   * @param message base64
   * @returns what there is to show; nothing where it cannot be read
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
    if (!(started || cached) || this.told.has(digest)) return '';
    if (this.told.size < MAX_STEPS) this.told.add(digest);
    return `${cached ? 'CACHED ' : ''}${name}\n`;
  }
}

/** @param take whether it has read the field */
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
