import { type Clock, LONG_AGO, type Logger, later } from '@fnfleet/core';
import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';

/** Minimum time between two warnings: exports to an unreachable collector fail every few seconds. Milliseconds. */
const QUIET_MS = 60_000;

/** Logs the errors of the SDK, at a limited rate. */
export class ExportTroubles {
  private quietUntil = LONG_AGO;
  private untold = 0;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  install(): void {
    const tell = (message: string, ...details: unknown[]) => this.tell(message, details);
    const quiet = () => undefined;
    const sink: DiagLogger = { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet };
    diag.setLogger(sink, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  }

  private tell(message: string, details: readonly unknown[]): void {
    const now = this.clock.now();
    if (now < this.quietUntil) {
      this.untold += 1;
      return;
    }
    this.quietUntil = later(now, QUIET_MS);
    this.logger.warn('cannot export traces or metrics to the collector (OTEL_EXPORTER_OTLP_ENDPOINT)', {
      error: reasonOf(message, details),
      ...(this.untold > 0 && { untold: this.untold }),
    });
    this.untold = 0;
  }
}

/** The SDK passes errors as JSON with their stacks; only the message is useful in a log. */
function reasonOf(message: string, details: readonly unknown[]): string {
  const [, inJson] = /"message":"((?:[^"\\]|\\.)*)"/.exec(message) ?? [];
  const texts = details.map((detail) => (detail instanceof Error ? detail.message : String(detail)));
  return [inJson ?? message, ...texts].join(' ').slice(0, 500);
}
