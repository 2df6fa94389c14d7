import { type RouteHandler, sendJson } from '@fnfleet/http';
import type { Datastore } from '../datastore/datastore.js';
import { CallbackSigner } from './callback-signature.js';

/** Handler that shows operators the keys for the receivers of callbacks. */
export function callbackHandlers(
  store: Pick<Datastore, 'fns'>,
  secrets: readonly string[],
): Record<'getCallbackKeys', RouteHandler> {
  const signer = new CallbackSigner(secrets);
  return {
    async getCallbackKeys(req, res) {
      const { id } = await store.fns.get(String(req.params.fn_id));
      sendJson(res, 200, { keys: signer.keysOf(id) });
    },
  };
}
