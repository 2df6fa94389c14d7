import type { OptionNode } from '../reference/command-tree.js';

/** What a shell can offer for the value of an option; nothing for `unknown`. */
export type ValueKind = 'folder' | 'file' | 'choice' | 'unknown';

export function valueKind({ value, choices }: Pick<OptionNode, 'value' | 'choices'>): ValueKind {
  if (choices.length > 0) return 'choice';
  return value === 'folder' || value === 'file' ? value : 'unknown';
}
