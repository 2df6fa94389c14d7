import { FnError } from '../errors/fn-error.js';
import { Fields } from './fields.js';

/**
 * The fields of a request body. Only the first JSON value counts, what follows it is ignored; `null` is an empty object.
 * @throws FnError `invalidJson`, from here and from every reader of the fields
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

/** Where the object that the text begins with is closed, if something follows it. */
function endOfFirstObject(json: string): number | undefined {
  if (json.trimStart().startsWith('null')) return json.indexOf('null') + 'null'.length;
  let depth = 0;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    if (depth === 0 && token !== undefined) return index + token.length;
  }
  return undefined;
}
