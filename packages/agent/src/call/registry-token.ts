const EXTENSION = 'FN_REGISTRY_TOKEN';

type Extensions = Readonly<Record<string, string>>;

/**
 * The registry token of the most recent call of a queue that had one. Tokens expire, so images are pulled with the latest
 * token, whichever call a container is launched for.
 */
export class LatestRegistryToken {
  private token: string | undefined;

  note(extensions: Extensions): void {
    this.token = extensions[EXTENSION] || this.token;
  }

  addTo(extensions: Extensions): Extensions {
    return this.token === undefined ? extensions : { ...extensions, [EXTENSION]: this.token };
  }
}
