import { InvalidArgumentError, Option } from 'commander';

export function apiOption(description = 'API node'): Option {
  return new Option('--api <url>', description).env('FN_API_URL').default('http://localhost:8080');
}

/** The default addresses of the balancer of `fnfleet up` and of a full node. */
export const LOCAL_BALANCERS: readonly string[] = ['http://localhost:8081', 'http://localhost:8080'];

export function lbOption(description = 'load balancers to ask, separated by commas'): Option {
  return new Option('--lb <urls>', description)
    .env('FN_LB_URL')
    .default(LOCAL_BALANCERS, LOCAL_BALANCERS.join(','))
    .argParser(urls);
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON').default(false);
}

function urls(value: string): readonly string[] {
  return names(value).map((part) => {
    const url = part.replace(/(?<!\/)\/+$/, '');
    if (/^https?:\/\/[^\s/]+$/.test(url)) return url;
    throw new InvalidArgumentError(`expected http://host:port, got ${JSON.stringify(part)}.`);
  });
}

/** Parser for an option that is a whole number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`);
  };
}

/** Parser for an option that is a number, with or without a fraction. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^(?:\d+(?:\.\d+)?|\.\d+)$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a number from ${min} to ${max}.`);
  };
}

/** Parser for an option that is a comma-separated list. */
export function listOf<T>(read: (text: string) => T): (text: string) => readonly T[] {
  return (text) => [...new Set(names(text).map(read))];
}

export function names(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}
