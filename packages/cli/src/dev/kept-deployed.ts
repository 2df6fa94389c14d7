export interface KeptDeployedOptions {
  /** Builds and deploys the folder as it is. */
  readonly deploy: (signal: AbortSignal) => Promise<void>;
  /** Gets why it could not be: the next change has another try. */
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Deployments given up in a row. The next one comes to its end, however often the folder changes meanwhile. */
const MAX_GIVEN_UP = 3;

/**
 * Keeps a function as its folder is. One deployment at a time: a change gives up the one under way, whose result nobody would
 * look at, and the next begins when that has ended. In a folder that never rests one in a while is deployed all the same.
 */
export class KeptDeployed {
  private current: AbortController | undefined;
  private dirty = false;
  private givenUp = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: KeptDeployedOptions) {
    options.signal.addEventListener('abort', () => this.current?.abort(), { once: true });
  }

  /** The folder has changed, or is looked at for the first time. */
  changed(): void {
    this.dirty = true;
    if (this.current === undefined) this.running = this.run();
    else if (this.givenUp < MAX_GIVEN_UP) this.current.abort();
  }

  /** Resolves when nothing is under way. Never rejects. */
  settled(): Promise<void> {
    return this.running;
  }

  private async run(): Promise<void> {
    const { deploy, onFailure, signal } = this.options;
    while (this.dirty && !signal.aborted) {
      this.dirty = false;
      const current = new AbortController();
      this.current = current;
      try {
        await deploy(current.signal);
      } catch (error) {
        if (!current.signal.aborted) onFailure(error);
      }
      this.givenUp = current.signal.aborted ? this.givenUp + 1 : 0;
    }
    this.current = undefined;
  }
}
