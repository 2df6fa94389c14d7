import { FnError, problemOfImage, splitImageName } from '@fnfleet/core';

/** A parsed image name: `[registry/]repository[:tag][@digest]`. */
export interface ImageReference {
  /** Empty for Docker Hub. */
  readonly registry: string;
  /** Includes the `library/` prefix that Docker Hub adds to a single name. */
  readonly repository: string;
  /** The digest, or the tag if there is none, or `latest`. */
  readonly tag: string;
}

/** @throws FnError `imageNameInvalid` if the name is not valid for any engine */
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

/** The name to pull: registry and repository, without the tag. */
export function pullName({ registry, repository }: ImageReference): string {
  return registry === '' ? repository : `${registry}/${repository}`;
}
