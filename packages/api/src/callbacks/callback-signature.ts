import { createHmac } from 'node:crypto';

/** Fewer characters can be guessed, or are a placeholder. */
const MIN_SECRET_CHARACTERS = 32;
const MAX_SECRETS = 4;

/**
 * Signs callbacks as the Standard Webhooks specification says (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body.
 * Each function has keys of its own, so that the receiver of one cannot forge callbacks of another.
 */
export class CallbackSigner {
  /** @param secrets of the fleet, the newest first; receivers may use the keys of any of them. */
  constructor(private readonly secrets: readonly string[]) {}

  /** Whether there is a secret. Without one, nothing can be signed. */
  get isReady(): boolean {
    return this.secrets.length > 0;
  }

  /** The keys of a function in the form that verifiers take: `whsec_` and base64. */
  keysOf(fnId: string): readonly string[] {
    return this.secrets.map((secret) => `whsec_${keyOf(secret, fnId).toString('base64')}`);
  }

  /** The headers that make a body verifiable. @param id has no dot @param atSeconds since 1970 */
  headers(fnId: string, id: string, atSeconds: number, body: Buffer): Readonly<Record<string, string>> {
    const signatures = this.secrets.map((secret) => {
      const hmac = createHmac('sha256', keyOf(secret, fnId)).update(`${id}.${atSeconds}.`).update(body);
      return `v1,${hmac.digest('base64')}`;
    });
    return {
      'Webhook-Id': id,
      'Webhook-Timestamp': String(atSeconds),
      'Webhook-Signature': signatures.join(' '),
    };
  }
}

function keyOf(secret: string, fnId: string): Buffer {
  return createHmac('sha256', secret).update(`fnfleet/callbacks:${fnId}`).digest();
}

/** Reads FN_CALLBACK_SECRET. @throws Error that does not contain it */
export function parseSecrets(text: string): readonly string[] {
  const secrets = text
    .split(',')
    .map((secret) => secret.trim())
    .filter((secret) => secret !== '');
  if (secrets.some(({ length }) => length < MIN_SECRET_CHARACTERS))
    throw new Error(`a secret has fewer than ${MIN_SECRET_CHARACTERS} characters`);
  if (secrets.length > MAX_SECRETS) throw new Error(`there are more than ${MAX_SECRETS} secrets`);
  return secrets;
}
