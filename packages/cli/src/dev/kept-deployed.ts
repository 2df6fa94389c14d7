export interface KeptDeployedOptions {
  /** Builds and deploys the folder as it is. */
  readonly deploy: (signal: AbortSignal) => Promise<void>;
  /** Gets why it could not be: the next change has another try. */
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Keeps a function as its folder is. One deployment at a time: a change gives up the one under way, whose result nobody would
 * look at, and the next begins when that has ended.
 */
export class KeptDeployed {
  private current: AbortController | undefined;
  private dirty = false;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: KeptDeployedOptions) {
    options.signal.addEventListener('abort', () => this.current?.abort(), { once: true });
  }

  /** The folder has changed, or is looked at for the first time. */
  changed(): void {
    this.dirty = true;
    if (this.current === undefined) this.running = this.run();
    else this.current.abort();
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
    }
    this.current = undefined;
  }
}
