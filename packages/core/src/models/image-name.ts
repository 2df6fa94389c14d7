/** Parts of a registry's host, without dots. */
const HOST_PART = /^[A-Za-z0-9-]+$/;
const IPV6 = /^\[[0-9A-Fa-f:.]+\]$/;
const PORT = /^\d{1,5}$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,}$/;
/** Characters of a wrong part that are shown. */
const MAX_SHOWN = 100;

/** The parts of `[registry/]repository[:tag][@digest]`, as engines tell them apart. */
export interface ImageName {
  /** Empty: none is named, which is Docker Hub. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Takes a name apart, whatever it is: `problemOfImage` says whether there can be such an image. */
export function splitImageName(image: string): ImageName {
  const at = image.indexOf('@');
  const digest = at === -1 ? undefined : image.slice(at + 1);
  const name = at === -1 ? image : image.slice(0, at);
  // A colon before the last slash belongs to the registry's port.
  const colon = name.lastIndexOf(':');
  const tagged = colon > name.lastIndexOf('/');
  const path = tagged ? name.slice(0, colon) : name;
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(0, slash));
  // The rule of the docker command. No repository has capital letters.
  const isRegistry = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  return {
    registry: isRegistry ? first : '',
    repository: isRegistry ? path.slice(slash + 1) : path,
    tag: tagged ? name.slice(colon + 1) : undefined,
    digest,
  };
}

/** Why no engine has an image of this name, for people; undefined: one may have it. */
export function problemOfImage(image: string): string | undefined {
  const { registry, repository, tag, digest } = splitImageName(image);
  if (registry !== '' && !isHost(registry)) return `${shown(registry)} is no host of a registry`;
  const part = repository.split('/').find((candidate) => !PATH_PART.test(candidate));
  if (part !== undefined) {
    return part === ''
      ? 'a part between slashes is empty'
      : `${shown(part)} has more than lower-case letters and digits, with one of . _ __ - between them`;
  }
  if (tag !== undefined && !TAG.test(tag)) return `${shown(tag)} is no tag: letters, digits, _ . -, 128 at most`;
  if (digest !== undefined && !DIGEST.test(digest)) return `${shown(digest)} is no digest, as sha256:…`;
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
