import type { Readable } from 'node:stream';
import { EngineNonsenseError } from './engine-errors.js';
import type { LocalImage } from './images/image-cache.js';

/**
 * Parses the answers of an engine. The engine is trusted with this machine, but its answers are not: behind the socket may be a
 * proxy, or another kind of engine. Required fields are checked, and other fields are omitted if they have another type.
 */
type Fields = Readonly<Record<string, unknown>>;

export interface InspectedImage extends LocalImage {
  readonly declaresVolume: boolean;
}

export interface EngineVersion {
  /** Podman implements the API of Docker, but has its own version numbers. */
  readonly product: 'docker' | 'podman';
  readonly engine: string;
  /** The API version, such as `1.41`. */
  readonly api: string;
}

/** Capabilities of an engine. Fields that it is too old for are missing. */
export interface EngineInfo {
  readonly CgroupVersion?: string | undefined;
  readonly KernelMemory?: boolean | undefined;
  /** Where it stores images and containers, on its own machine. */
  readonly DockerRootDir?: string | undefined;
  /** By name. */
  readonly Runtimes?: Readonly<Record<string, unknown>> | undefined;
  /** `name=seccomp,profile=default`, `name=apparmor` … */
  readonly SecurityOptions?: readonly string[] | undefined;
  /** The storage driver and its status. */
  readonly Driver?: string | undefined;
  readonly DriverStatus?: readonly (readonly [key: string, value: string])[] | null | undefined;
}

export interface ListedContainer {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

/** Ids of containers become parts of paths. */
const ID = /^\w[\w.-]{0,127}$/;

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Finite and not negative. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((entry) => typeof entry === 'string');
}

/** @throws EngineNonsenseError */
export function versionIn(answer: unknown): EngineVersion {
  const { Version, ApiVersion, Components } = fieldsOf(answer);
  const isPodman = listOf(Components).some((component) => textOf(fieldsOf(component).Name) === 'Podman Engine');
  return {
    product: isPodman ? 'podman' : 'docker',
    engine: demanded(textOf(Version), 'a version'),
    api: textOf(ApiVersion) ?? 'unknown',
  };
}

export function infoIn(answer: unknown): EngineInfo {
  const info = fieldsOf(answer);
  const status = listOf(info.DriverStatus).map((pair) => textsOf(pair));
  return {
    CgroupVersion: textOf(info.CgroupVersion),
    KernelMemory: typeof info.KernelMemory === 'boolean' ? info.KernelMemory : undefined,
    DockerRootDir: textOf(info.DockerRootDir),
    Runtimes: info.Runtimes === undefined || info.Runtimes === null ? undefined : fieldsOf(info.Runtimes),
    SecurityOptions: Array.isArray(info.SecurityOptions) ? textsOf(info.SecurityOptions) : undefined,
    Driver: textOf(info.Driver),
    DriverStatus: status.flatMap(([key, value]) => (key === undefined || value === undefined ? [] : [[key, value]])),
  };
}

/** @throws EngineNonsenseError */
export function imageIn(answer: unknown): InspectedImage {
  const { Id, Size, RepoTags, Config } = fieldsOf(answer);
  return {
    id: demanded(textOf(Id), 'the id of an image'),
    sizeBytes: numberOf(Size) ?? 0,
    tags: textsOf(RepoTags),
    declaresVolume: Object.keys(fieldsOf(fieldsOf(Config).Volumes)).length > 0,
  };
}

/** @throws EngineNonsenseError */
export function imagesIn(answer: unknown): readonly LocalImage[] {
  if (!Array.isArray(answer)) throw new EngineNonsenseError('the Docker engine has no list of images');
  return answer.filter((image) => textOf(fieldsOf(image).Id) !== undefined).map(imageIn);
}

/** @throws EngineNonsenseError */
export function createdIn(answer: unknown): string {
  const id = textOf(fieldsOf(answer).Id);
  return demanded(id !== undefined && ID.test(id) ? id : undefined, 'the id of the created container');
}

/** @throws EngineNonsenseError */
export function stateIn(answer: unknown): { running: boolean; outOfMemory: boolean; pid: number } {
  const { Running, OOMKilled, Pid } = fieldsOf(fieldsOf(answer).State);
  const running = demanded(typeof Running === 'boolean' ? Running : undefined, 'the state of a container');
  return { running, outOfMemory: OOMKilled === true, pid: Number.isSafeInteger(Pid) ? (Pid as number) : 0 };
}

export function mountsIn(answer: unknown): readonly { readonly source: string; readonly destination: string }[] {
  return listOf(fieldsOf(answer).Mounts).flatMap((mount) => {
    const { Source, Destination } = fieldsOf(mount);
    const [source, destination] = [textOf(Source), textOf(Destination)];
    return source === undefined || destination === undefined ? [] : [{ source, destination }];
  });
}

/** @throws EngineNonsenseError */
export function containersIn(answer: unknown): readonly ListedContainer[] {
  if (!Array.isArray(answer)) throw new EngineNonsenseError('the Docker engine has no list of containers');
  return answer.flatMap((container) => {
    const { Id, Names, Labels } = fieldsOf(container);
    const id = textOf(Id);
    if (id === undefined || !ID.test(id)) return [];
    const labels = Object.entries(fieldsOf(Labels)).filter(
      (label): label is [string, string] => typeof label[1] === 'string',
    );
    return [{ Id: id, Names: textsOf(Names), Labels: Object.fromEntries(labels) }];
  });
}

/** @throws EngineNonsenseError */
export function exitCodeIn(answer: unknown): number {
  const { StatusCode } = fieldsOf(answer);
  return demanded(Number.isSafeInteger(StatusCode) ? (StatusCode as number) : undefined, 'an exit code');
}

function demanded<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new EngineNonsenseError(`the Docker engine did not answer with ${what}`);
  return value;
}

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
