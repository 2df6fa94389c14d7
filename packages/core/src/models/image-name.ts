/** Host names without dots that count as a registry. */
const HOST_PART = /^[A-Za-z0-9-]+$/;
const IPV6 = /^\[[0-9A-Fa-f:.]+\]$/;
const PORT = /^\d{1,5}$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,}$/;
/** How many characters of an invalid part are shown. */
const MAX_SHOWN = 100;

/** The parts of `[registry/]repository[:tag][@digest]`, split as engines do. */
export interface ImageName {
  /** Empty if none is given, which means Docker Hub. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Splits any text; `problemOfImage` tells whether it is a valid name. */
export function splitImageName(image: string): ImageName {
  const at = image.indexOf('@');
  const digest = at === -1 ? undefined : image.slice(at + 1);
  const name = at === -1 ? image : image.slice(0, at);
  // A colon before the last slash belongs to the port of the registry.
  const colon = name.lastIndexOf(':');
  const tagged = colon > name.lastIndexOf('/');
  const path = tagged ? name.slice(0, colon) : name;
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(0, slash));
  // The rule of the docker command. Repositories have no capital letters.
  const isRegistry = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  return {
    registry: isRegistry ? first : '',
    repository: isRegistry ? path.slice(slash + 1) : path,
    tag: tagged ? name.slice(colon + 1) : undefined,
    digest,
  };
}

/** Why the name is not valid, in words; undefined if it is. */
export function problemOfImage(image: string): string | undefined {
  const { registry, repository, tag, digest } = splitImageName(image);
  if (registry !== '' && !isHost(registry)) return `${shown(registry)} is not a registry host`;
  const part = repository.split('/').find((candidate) => !PATH_PART.test(candidate));
  if (part !== undefined) {
    return part === ''
      ? 'a part between slashes is empty'
      : `${shown(part)} must consist of lower-case letters and digits, with single . _ __ - between them`;
  }
  if (tag !== undefined && !TAG.test(tag)) return `${shown(tag)} is not a tag: letters, digits, _ . -, at most 128`;
  if (digest !== undefined && !DIGEST.test(digest)) return `${shown(digest)} is not a digest, such as sha256:…`;
  return undefined;
}

function isHost(text: string): boolean {
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (port !== undefined && !PORT.test(port)) return false;
  if (IPV6.test(host)) return true;
  return host.split('.').every((part) => HOST_PART.test(part) && !part.startsWith('-') && !part.endsWith('-'));
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN));
}
