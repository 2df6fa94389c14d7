import { bytes, durationMs, flag, integer, list, structured, text } from '@fnfleet/core';
import { parseCredentials } from './registry-auth.js';

export const imageSettings = {
  enableVolumes: flag('FN_IMAGE_ENABLE_VOLUME', { default: false, doc: 'Allows images that declare a VOLUME.' }),
  imageLoadFile: text('FN_DOCKER_LOAD_FILE', {
    doc: 'Archive of images in the format of `docker save`, loaded at start. If it cannot be loaded, the runner does not start.',
  }),
  dockerAuth: structured(
    'FN_DOCKER_AUTH',
    'JSON like {"auths":{"<registry>":{"auth":"<base64 of user:password>"}}}',
    parseCredentials,
    {
      doc: 'Credentials for registries, instead of those in the configuration files of Docker. The outer `auths` may be omitted.',
      secret: true,
    },
  ),
  dockerConfig: text('DOCKER_CONFIG', {
    doc: 'Directory of the config.json with registry credentials. It is read at each pull; credential helpers are not run.',
  }),
  home: text('HOME', {
    doc: 'Directory that is searched for .docker/config.json and .dockercfg when DOCKER_CONFIG has no config.json.',
  }),
  pullMaxRetries: integer('FN_IMAGE_PULL_MAX_RETRIES', {
    default: 3,
    min: 0,
    max: 30,
    doc: 'Maximum number of retries of a pull when the registry answers 429 or 5xx, resets the connection or is too slow. The time limit of the pull, FN_HOT_PULL_TIMEOUT_MSECS, covers all attempts. 0: no retries.',
  }),
  pullRetryIntervalMs: durationMs('FN_IMAGE_PULL_RETRY_INTERVAL_MSECS', {
    default: 250,
    doc: 'Before attempt k + 1 a pull waits a random time of up to 2^k − 1 intervals, plus the minimum delay.',
  }),
  pullRetryMinDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS', {
    default: 100,
    doc: 'Minimum delay before a pull is retried.',
  }),
  pullRetryMaxDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MAX_DELAY_MSECS', {
    default: 5_000,
    doc: 'Maximum delay before a pull is retried. 0: no limit.',
  }),
  imageCleanMaxBytes: bytes('FN_IMAGE_CLEAN_MAX_SIZE', {
    default: 0,
    doc: 'Maximum total size of the images on this machine, including images that the runner did not pull. Beyond it the least recently used images are removed, unless a container or another image needs them. 0: nothing is removed.',
  }),
  imageCleanExemptTags: list('FN_IMAGE_CLEAN_EXEMPT_TAGS', {
    default: [],
    separator: /\s+/,
    doc: 'Images, as name:tag, that are never removed and do not count toward the limit.',
  }),
} as const;
