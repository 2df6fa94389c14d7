import type { RouteHandler } from '@fnfleet/http';
import { docsPage } from './docs-page.js';
import { openApiDocument } from './document.js';

/** Serves the document and its page. Both are made once, when they are first read. */
export function documentHandlers(publicLbUrl: string): Record<'getDocument' | 'getDocumentPage', RouteHandler> {
  const document = once(() => openApiDocument(publicLbUrl));
  const json = once(() => Buffer.from(JSON.stringify(document())));
  const page = once(() => docsPage(document()));
  return {
    getDocument: (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': json().length });
      res.end(json());
    },
    getDocumentPage: (_req, res) => {
      const { html, policy } = page();
      res.writeHead(200, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Length': Buffer.byteLength(html),
        'Content-Security-Policy': policy,
        'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'no-referrer',
      });
      res.end(html);
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
