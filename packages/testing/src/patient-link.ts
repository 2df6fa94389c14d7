/** For links to peers that share a busy machine with other tests: they may take their time to accept a connection. */
export const PATIENT_LINK = { connectTimeoutMs: 30_000 } as const;
