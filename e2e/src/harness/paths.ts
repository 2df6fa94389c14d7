import path from 'node:path';

/** The repository. */
export const ROOT = path.resolve(__dirname, '../../..');

export const PROBE_IMAGE = 'fnfleet/probe:latest';
export const MICRO_IMAGE = 'fnfleet/micro:latest';
export const HELLO_IMAGE = 'fnfleet/hello-node:latest';
