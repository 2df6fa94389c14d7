import { Option } from 'commander';

export function apiOption(): Option {
  return new Option('--api <url>', 'API node').env('FN_API_URL').default('http://localhost:8080');
}
