import { InvalidArgumentError, Option } from 'commander';

export function apiOption(): Option {
  return new Option('--api <url>', 'API node').env('FN_API_URL').default('http://localhost:8080');
}

/** Reads an option that is a number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`);
  };
}
