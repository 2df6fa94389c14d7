import { createHash } from 'node:crypto';
import { ERRORS } from '@fnfleet/core';
import {
  type DocumentMethod,
  type DocumentOperation,
  type DocumentResponse,
  errorsOfResponse,
  type Json,
  type OpenApiDocument,
} from './document.js';

/** A page without scripts, and the policy that keeps it so. */
export interface DocsPage {
  readonly html: string;
  /** `Content-Security-Policy`: nothing but the style of the page. */
  readonly policy: string;
}

const METHODS: readonly DocumentMethod[] = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'];

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d9dee3, #3a4149); --soft: light-dark(#f3f5f7, #1d2226);
  --text: light-dark(#1b2126, #e3e7ea); --dim: light-dark(#5a6670, #9aa6b0); --back: light-dark(#fff, #14181b); }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; } h2 { margin: 2.5rem 0 .25rem; font-size: 1.25rem; }
h3 { margin: 1.25rem 0 .35rem; font-size: .95rem; } p { margin: .35rem 0; }
nav a { margin-right: 1rem; } a { color: light-dark(#0b5cad, #7cb8f2); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
details[open] > summary { border-bottom: 1px solid var(--line); background: var(--soft); }
details > div { padding: .5rem .75rem 1rem; overflow-x: auto; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
summary .path { flex: 1 1 20rem; } summary .what { color: var(--dim); }
.method { font: 600 .8em ui-monospace, monospace; min-width: 4.5em; text-align: center; padding: .1em .4em; border-radius: 4px;
  color: #fff; background: #5a6670; }
.get { background: #1769aa; } .post { background: #2b7a3d; } .put { background: #8a5a00; } .delete { background: #b3261e; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0;
  border-bottom: 1px solid var(--line); } th { font-weight: 600; color: var(--dim); }
td:first-child { white-space: nowrap; } .dim { color: var(--dim); }
`;

/** Renders a document for people. */
export function docsPage(document: OpenApiDocument): DocsPage {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => (item[method] ? [{ path, method, operation: item[method] }] : [])),
  );
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)} API</title>
<style>${STYLE}</style></head>
<body><main>
<h1>${escaped(info.title)} API</h1>
<p>${marked(info.description)}</p>
<p>The same for programs: <a href="/v2/openapi.json"><code>/v2/openapi.json</code></a> (OpenAPI ${escaped(document.openapi)}).</p>
<nav>${[...tags.map(({ name }) => name), 'Schemas'].map((name) => `<a href="#${name}">${name}</a>`).join('')}</nav>
${tags
  .map(
    ({ name, description }) => `<h2 id="${name}">${name}</h2><p>${marked(description)}</p>
${operations
  .filter(({ operation }) => operation.tags[0] === name)
  .map(({ path, method, operation }) => operationHtml(path, method, operation))
  .join('\n')}`,
  )
  .join('\n')}
<h2 id="Schemas">Schemas</h2>
${Object.entries(components.schemas).map(schemaHtml).join('\n')}
</main></body></html>
`;
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html, policy };
}

/** The id is inside of the element: a browser opens it for a link to something inside. */
function operationHtml(path: string, method: DocumentMethod, operation: DocumentOperation): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  return `<details><summary><span class="method ${method}">${method.toUpperCase()}</span>
<code class="path">${escaped(path)}</code><span class="what">${marked(summary)}</span></summary><div id="${escaped(operationId)}">
${description === undefined ? '' : `<p>${marked(description)}</p>`}
${table(
  'Parameters',
  ['Name', 'In', 'Meaning'],
  parameters.map((parameter) => [
    `<code>${escaped(parameter.name)}</code>${parameter.required ? ' <span class="dim">required</span>' : ''}`,
    escaped(parameter.in),
    `${marked(parameter.description)} ${limitsOf(parameter.schema)}`,
  ]),
)}
${requestBody === undefined ? '' : `<h3>Body</h3><p>${contentHtml(requestBody.content as Record<string, Json>)}</p>`}
${table(
  'Responses',
  ['Status', 'Meaning'],
  Object.entries(responses).map(([status, response]) => [`<code>${escaped(status)}</code>`, responseHtml(response)]),
)}
</div></details>`;
}

function responseHtml(response: DocumentResponse): string {
  const { description, content = {}, headers = {} } = response;
  const errors = errorsOfResponse(response).map((code) => {
    const { text, doc } = ERRORS[code];
    return `<code>${escaped(text)}</code> <span class="dim">${marked(doc)}</span>`;
  });
  if (errors.length > 0) return errors.join('<br>');
  const names = Object.keys(headers).map((name) => `<code>${escaped(name)}</code>`);
  return [marked(description), contentHtml(content), ...names].filter((part) => part !== '').join(' · ');
}

function contentHtml(content: Readonly<Record<string, Json>>): string {
  return Object.entries(content)
    .map(([type, { schema }]) => {
      const { $ref } = (schema ?? {}) as Json;
      const name = typeof $ref === 'string' ? $ref.split('/').at(-1) : undefined;
      return `<code>${escaped(type)}</code>${name === undefined ? '' : `: <a href="#${escaped(name)}">${escaped(name)}</a>`}`;
    })
    .join(', ');
}

function schemaHtml([name, schema]: [string, Json]): string {
  const required = (schema.required ?? []) as readonly string[];
  const rows = Object.entries((schema.properties ?? {}) as Record<string, Json>).map(([field, part]) => [
    `<code>${escaped(field)}</code>${required.includes(field) ? ' <span class="dim">required</span>' : ''}`,
    escaped([part.type ?? 'any'].flat().join(' or ')),
    `${marked(String(part.description ?? ''))} ${limitsOf(part)}`,
  ]);
  return `<details><summary><code>${escaped(name)}</code></summary><div id="${escaped(name)}">
<p>${marked(String(schema.description ?? ''))}</p>${table('Fields', ['Name', 'Type', 'Meaning'], rows)}</div></details>`;
}

const SHOWN = /^(m(ax|in)\w+|pattern|format|enum|default|readOnly|x-max-.*)$/;

/** The other keywords of a schema, in small. */
function limitsOf(schema: Json): string {
  const shown = Object.entries(schema).filter(([keyword]) => SHOWN.test(keyword));
  if (shown.length === 0) return '';
  return `<span class="dim">${shown.map(([keyword, value]) => `${escaped(keyword)}: <code>${escaped(JSON.stringify(value))}</code>`).join(', ')}</span>`;
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  return `<h3>${title}</h3><table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>
${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n')}</table>`;
}

/** Text with its code in backticks. */
function marked(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
