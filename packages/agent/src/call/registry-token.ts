const EXTENSION = 'FN_REGISTRY_TOKEN';

type Extensions = Readonly<Record<string, string>>;

/**
 * The token for a registry that came with the latest call of a queue. Tokens expire, so a container is pulled with the
 * latest, whichever call it is launched for.
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
