const LOG_METHODS = new Set(['debug', 'info', 'warn', 'error']);

/**
 * Leaves text that only people read as it is: what a log line says, prose in the message of an error, and what a
 * declaration says about itself. No behaviour depends on these words, and a test of them would repeat them. Names and
 * codes are mutated wherever they stand, and so is whether anything is logged or thrown at all.
 */
export const humanReadableText = {
  shouldIgnore(path) {
    if (isArgumentOf(path, isLogCall)) return 'what a log line says';
    if (!path.isStringLiteral() && !path.isTemplateLiteral()) return undefined;
    if (path.findParent((parent) => parent.isObjectProperty() && parent.node.key.name === 'doc'))
      return 'documentation';
    if (isProse(path.node) && isInside(path, isNewError)) return 'prose of an error';
    return undefined;
  },
};

function isArgumentOf(path, matches) {
  return path.listKey === 'arguments' && matches(path.parentPath);
}

function isInside(path, matches) {
  return path.find((parent) => isArgumentOf(parent, matches)) !== null;
}

function isLogCall(path) {
  const { callee } = path.node;
  if (!path.isCallExpression() || callee.type !== 'MemberExpression') return false;
  const { object, property } = callee;
  const owner = object.type === 'MemberExpression' ? object.property.name : object.name;
  return LOG_METHODS.has(property.name) && (owner === 'log' || owner === 'logger');
}

function isNewError(path) {
  return path.isNewExpression() && /Error$/.test(path.node.callee.name ?? '');
}

function isProse(node) {
  const text = node.type === 'StringLiteral' ? node.value : node.quasis.map(({ value }) => value.raw).join('');
  return /\s/.test(text);
}
