import { type DrainResult, later, Once, type Service, systemClock } from '@fnfleet/core';

/** Combines several services: ready when all are; drained and closed in reverse order of the list. */
export class ServiceGroup implements Service {
  readonly ready: Promise<void>;
  private graceMs = 0;

  constructor(private readonly services: readonly Service[]) {
    this.ready = Promise.all(services.map((service) => service.ready)).then(() => undefined);
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
  }

  private readonly draining = new Once(async (): Promise<DrainResult> => {
    const until = later(systemClock.now(), this.graceMs);
    let result: DrainResult = 'drained';
    for (const service of this.services.toReversed()) {
      const left = await service.drain({ graceMs: Math.max(0, until - systemClock.now()) });
      if (left === 'expired') result = 'expired';
    }
    return result;
  });

  drain(options: { graceMs: number }): Promise<DrainResult> {
    this.graceMs = options.graceMs;
    return this.draining.call();
  }

  private readonly closing = new Once(async () => {
    for (const service of this.services.toReversed()) await service.close();
  });

  close(): Promise<void> {
    return this.closing.call();
  }
}
