/**
 * @typedef {import('@stryker-mutator/instrumenter').babel.NodePath} NodePath
 * @typedef {NodePath['node']} Node
 */

const LOG_METHODS = ['debug', 'info', 'warn', 'error'];
const LOGGERS = ['log', 'logger'];

/**
 * Excludes text that only people read: log messages, prose in the message of an error, and the `doc` of a declaration. No
 * behaviour depends on these words, and a test of them would repeat them. Names and codes are mutated wherever they stand, and so
 * is whether anything is logged or thrown at all.
 */
export const humanReadableText = {
  /** @param {NodePath} path @returns the reason to leave the node as it is; undefined: it is mutated */
  shouldIgnore(path) {
    if (isArgumentOf(path, isLogCall)) return 'log message';
    if (!path.isStringLiteral() && !path.isTemplateLiteral()) return undefined;
    if (path.findParent((parent) => parent.isObjectProperty() && isNamed(parent.node.key, ['doc'])))
      return 'documentation';
    if (/\s/.test(textOf(path.node)) && path.find((parent) => isArgumentOf(parent, isNewError)))
      return 'prose of an error';
    return undefined;
  },
};

/** @param {NodePath} path @param {(call: Node | undefined) => boolean} matches */
function isArgumentOf(path, matches) {
  return path.listKey === 'arguments' && matches(path.parentPath?.node);
}

/** @param {Node | undefined} call */
function isLogCall(call) {
  if (call?.type !== 'CallExpression' || call.callee.type !== 'MemberExpression') return false;
  const { object, property } = call.callee;
  return (
    isNamed(property, LOG_METHODS) && isNamed(object.type === 'MemberExpression' ? object.property : object, LOGGERS)
  );
}

/** @param {Node | undefined} call */
function isNewError(call) {
  return call?.type === 'NewExpression' && call.callee.type === 'Identifier' && call.callee.name.endsWith('Error');
}

/** @param {Node} node @param {readonly string[]} names */
function isNamed(node, names) {
  return node.type === 'Identifier' && names.includes(node.name);
}

/** @param {Extract<Node, { type: 'StringLiteral' | 'TemplateLiteral' }>} node */
function textOf(node) {
  return node.type === 'StringLiteral' ? node.value : node.quasis.map(({ value }) => value.raw).join('');
}
