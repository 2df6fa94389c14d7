export interface KeptDeployedOptions {
  /** Builds and deploys the current content of the folder. */
  readonly deploy: (signal: AbortSignal) => Promise<void>;
  /** Receives the reason why a deployment failed; the next change tries again. */
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Maximum deployments canceled in a row. The next one runs to its end, however often the folder changes meanwhile. */
const MAX_GIVEN_UP = 3;

/**
 * Keeps a function in line with its folder. Runs one deployment at a time: a change cancels the running one, which is
 * outdated, and the next starts when that has ended. Under constant changes, a deployment still completes now and then.
 */
export class KeptDeployed {
  private current: AbortController | undefined;
  private dirty = false;
  private givenUp = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: KeptDeployedOptions) {
    options.signal.addEventListener('abort', () => this.current?.abort(), { once: true });
  }

  /** Called initially, and whenever the folder has changed. */
  changed(): void {
    this.dirty = true;
    if (this.current === undefined) this.running = this.run();
    else if (this.givenUp < MAX_GIVEN_UP) this.current.abort();
  }

  /** Resolves when no deployment is running. Never rejects. */
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
