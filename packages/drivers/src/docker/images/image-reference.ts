import { FnError, problemOfImage, splitImageName } from '@fnfleet/core';

/** An image name taken apart: `[registry/]repository[:tag][@digest]`. */
export interface ImageReference {
  /** Empty: Docker Hub. */
  readonly registry: string;
  /** With the `library/` that Docker Hub puts before a single name. */
  readonly repository: string;
  /** The digest if there is one, else the tag, else `latest`. */
  readonly tag: string;
}

/** @throws FnError `imageNameInvalid` when no engine can have an image of this name */
export function parseImageReference(image: string): ImageReference {
  const problem = problemOfImage(image);
  if (problem !== undefined) throw new FnError('imageNameInvalid', { params: { image, problem } });
  const { registry, repository, tag, digest } = splitImageName(image);
  return {
    registry,
    repository: registry === '' && !repository.includes('/') ? `library/${repository}` : repository,
    tag: digest ?? tag ?? 'latest',
  };
}

/** What a pull asks for: the repository where it is, without the tag. */
export function pullName({ registry, repository }: ImageReference): string {
  return registry === '' ? repository : `${registry}/${repository}`;
}
