/** An image name taken apart: `[registry/]repository[:tag][@digest]`. */
export interface ImageReference {
  /** Empty: Docker Hub. */
  readonly registry: string;
  /** With the `library/` that Docker Hub puts before a single name. */
  readonly repository: string;
  /** The digest if there is one, else the tag, else `latest`. */
  readonly tag: string;
}

export function parseImageReference(image: string): ImageReference {
  const at = image.indexOf('@');
  const digest = at === -1 ? undefined : image.slice(at + 1);
  const [name, tag] = splitTag(at === -1 ? image : image.slice(0, at));
  const [registry, path] = splitRegistry(name);
  return {
    registry,
    repository: registry === '' && !path.includes('/') ? `library/${path}` : path,
    tag: digest ?? tag ?? 'latest',
  };
}

/** What a pull asks for: the repository where it is, without the tag. */
export function pullName({ registry, repository }: ImageReference): string {
  return registry === '' ? repository : `${registry}/${repository}`;
}

/** A colon before the last slash belongs to a registry's port. */
function splitTag(name: string): [name: string, tag: string | undefined] {
  const colon = name.lastIndexOf(':');
  if (colon <= name.lastIndexOf('/')) return [name, undefined];
  return [name.slice(0, colon), name.slice(colon + 1) || undefined];
}

function splitRegistry(name: string): [registry: string, path: string] {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  const isRegistry = first === 'localhost' || first.includes('.') || first.includes(':');
  return isRegistry ? [first, name.slice(slash + 1)] : ['', name];
}
