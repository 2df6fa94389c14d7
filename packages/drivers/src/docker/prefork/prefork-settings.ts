import { integer, list, type SettingsOf, text } from '@fnfleet/core';

export const preforkSettings = {
  preforkSize: integer('FN_EXPERIMENTAL_PREFORK_POOL_SIZE', {
    default: 0,
    min: 0,
    doc: 'Number of containers that are kept ready to lend their network to functions, which saves setting up a network at each start. 0: none.',
  }),
  preforkImage: text('FN_EXPERIMENTAL_PREFORK_IMAGE', {
    default: 'busybox',
    doc: 'Image of those containers; pulled at start if it is missing.',
  }),
  preforkCommand: list('FN_EXPERIMENTAL_PREFORK_CMD', {
    default: ['tail', '-f', '/dev/null'],
    separator: /\s+/,
    doc: 'Command that runs in them; it must not end.',
  }),
  preforkUseOnce: integer('FN_EXPERIMENTAL_PREFORK_USE_ONCE', {
    default: 0,
    min: 0,
    doc: 'If not 0, each of them lends its network to one function only and is then replaced.',
  }),
  preforkNetworks: list('FN_EXPERIMENTAL_PREFORK_NETWORKS', {
    default: [],
    separator: /[\s,]+/,
    doc: 'Docker networks that they are assigned to in turn. Unset: the default of the engine.',
  }),
} as const;

export type PreforkSettings = SettingsOf<typeof preforkSettings>;
