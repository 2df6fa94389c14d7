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

/**
 * Where the object that the text begins with is closed, if something follows it. One look at each character: texts come from
 * strangers, and a regular expression that looks for them begins again at each quote of one that never ends.
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
