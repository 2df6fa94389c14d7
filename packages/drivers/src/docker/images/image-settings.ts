import { bytes, durationMs, flag, integer, list, structured, text } from '@fnfleet/core';
import { parseCredentials } from './registry-auth.js';

export const imageSettings = {
  enableVolumes: flag('FN_IMAGE_ENABLE_VOLUME', { default: false, doc: 'Allows images that declare a VOLUME.' }),
  imageLoadFile: text('FN_DOCKER_LOAD_FILE', {
    doc: 'Archive of images, as `docker save` writes them, that is loaded at start. A runner that cannot load it does not start.',
  }),
  dockerAuth: structured(
    'FN_DOCKER_AUTH',
    'JSON like {"auths":{"<registry>":{"auth":"<base64 of user:password>"}}}',
    parseCredentials,
    {
      doc: 'Credentials for registries, in place of those that Docker keeps in files. The `auths` around them may be left out.',
      secret: true,
    },
  ),
  dockerConfig: text('DOCKER_CONFIG', {
    doc: 'Folder of the config.json with credentials for registries. It is read at each pull; credential helpers are not run.',
  }),
  home: text('HOME', {
    doc: 'Folder where .docker/config.json and .dockercfg are looked for when DOCKER_CONFIG has no config.json.',
  }),
  pullMaxRetries: integer('FN_IMAGE_PULL_MAX_RETRIES', {
    default: 3,
    min: 0,
    max: 30,
    doc: 'How often a pull is tried again when the registry answers 429 or 5xx, resets the connection or is too slow. The limit of the pull, FN_HOT_PULL_TIMEOUT_MSECS, covers all tries. 0: never.',
  }),
  pullRetryIntervalMs: durationMs('FN_IMAGE_PULL_RETRY_INTERVAL_MSECS', {
    default: 250,
    doc: 'Before try k + 1 a pull waits up to 2^k − 1 times this, at random, plus the least delay.',
  }),
  pullRetryMinDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS', {
    default: 100,
    doc: 'The least that a pull waits before it is tried again.',
  }),
  pullRetryMaxDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MAX_DELAY_MSECS', {
    default: 5_000,
    doc: 'The most that a pull waits before it is tried again. 0: no limit.',
  }),
  imageCleanMaxBytes: bytes('FN_IMAGE_CLEAN_MAX_SIZE', {
    default: 0,
    doc: 'Room for the images on this machine, whoever brought them. Beyond it those not used for longest are removed, unless a container or another image needs them. 0: nothing is removed.',
  }),
  imageCleanExemptTags: list('FN_IMAGE_CLEAN_EXEMPT_TAGS', {
    default: [],
    separator: /\s+/,
    doc: 'Images, as name:tag, that are never removed and do not count.',
  }),
} as const;
