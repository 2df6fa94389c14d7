import { integer, list, type SettingsOf, text } from '@fnfleet/core';

export const preforkSettings = {
  preforkSize: integer('FN_EXPERIMENTAL_PREFORK_POOL_SIZE', {
    default: 0,
    min: 0,
    doc: 'Containers that are kept ready to lend their network to functions, which saves setting one up at the start of each. 0: none.',
  }),
  preforkImage: text('FN_EXPERIMENTAL_PREFORK_IMAGE', {
    default: 'busybox',
    doc: 'Image of those containers; pulled at start when it is not there.',
  }),
  preforkCommand: list('FN_EXPERIMENTAL_PREFORK_CMD', {
    default: ['tail', '-f', '/dev/null'],
    separator: /\s+/,
    doc: 'What runs in them: something that does not end.',
  }),
  preforkUseOnce: integer('FN_EXPERIMENTAL_PREFORK_USE_ONCE', {
    default: 0,
    min: 0,
    doc: 'Anything but 0: each lends its network to one function only and is then replaced.',
  }),
  preforkNetworks: list('FN_EXPERIMENTAL_PREFORK_NETWORKS', {
    default: [],
    separator: /[\s,]+/,
    doc: "Docker networks that they are spread over in turn. Unset: the engine's default.",
  }),
} as const;

export type PreforkSettings = SettingsOf<typeof preforkSettings>;
