import { FnError } from '../errors/fn-error.js';
import { Fields } from './fields.js';

/**
 * Reads the fields of a request body. Only the first JSON value counts and the rest is ignored; `null` is an empty object.
 * @throws FnError `invalidJson`, here and in every reader of the fields
 */
export function parseBody(json: string): Fields {
  return new Fields(parseFirst(json) ?? {}, invalidJson);
}

function invalidJson(reason: string): FnError {
  return new FnError('invalidJson', { cause: new TypeError(reason) });
}

function parseFirst(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const end = endOfFirstObject(json);
    if (end === undefined) throw new FnError('invalidJson', { cause: error });
    try {
      return JSON.parse(json.slice(0, end));
    } catch (cause) {
      throw new FnError('invalidJson', { cause });
    }
  }
}

/**
 * Finds the end of the leading object, if something follows it. It looks at each character once: the text is untrusted, and a
 * regular expression would start over at each quote of an unterminated string.
 */
function endOfFirstObject(json: string): number | undefined {
  if (json.trimStart().startsWith('null')) return json.indexOf('null') + 'null'.length;
  let depth = 0;
  let inText = false;
  for (let index = 0; index < json.length; index += 1) {
    const char = json[index];
    if (inText) {
      if (char === '\\') index += 1;
      else if (char === '"') inText = false;
    } else if (char === '"') {
      inText = true;
    } else if (char === '{' || char === '[') {
      depth += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth <= 0) return index + 1;
    }
  }
  return undefined;
}
