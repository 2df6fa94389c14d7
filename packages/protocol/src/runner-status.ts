/** What a runner says of itself (`Status`). Counts since its start. */
export interface RunnerStatus {
  /** Engagements open now. */
  readonly active: number;
  readonly requestsReceived: number;
  readonly requestsHandled: number;
  readonly failed: boolean;
  readonly errorCode: number;
  readonly errorText: string;
  readonly details: string;
  readonly cached: boolean;
  readonly networkDisabled: boolean;
}
