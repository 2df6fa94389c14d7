import path from 'node:path';
import type { FleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deploy, invokeUrl } from '../deploy/deploy.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { remark, say } from '../terminal/say.js';

const APP = 'example';
const QUESTION = '{"name":"fleet"}';

interface ExampleOptions {
  readonly folder: string;
  readonly image?: string;
  readonly registry?: string | undefined;
  readonly apiUrl: string;
  readonly lbUrl: string;
  readonly runnerAddresses: readonly string[];
  readonly access: FleetAccess;
}

/** Deploys a function, calls it through the balancer, and shows the response, where it ran and what to try next. */
export async function showExample({
  folder,
  image,
  registry,
  apiUrl,
  lbUrl,
  runnerAddresses,
  access,
}: ExampleOptions): Promise<void> {
  const { spec, triggers } = readFuncFile(folder, { registry });
  const api = new ApiClient(apiUrl, access.fetch);
  const { fn } = await deploy(api, APP, { spec: { ...spec, image: image ?? spec.image }, triggers });
  const url = invokeUrl(fn);
  remark(`• deployed ${spec.name} (${image ?? spec.image}); calling it …`);

  const response = await access.call(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'fn-explain': '1' },
    body: QUESTION,
  });
  const answer = await response.text();
  const command = ownCommand();
  if (!response.ok) throw new Error(`calling ${spec.name} failed with status ${response.status}: ${answer.trim()}`);
  say([
    '',
    `${spec.name} answered:  ${answer.trim()}`,
    `  call        ${response.headers.get('fn-call-id')}`,
    `  where       ${response.headers.get('fn-explain')}`,
    '',
    'Try next:',
    `  curl -d '${QUESTION}' -H 'content-type: application/json' -H 'fn-explain: 1' -i ${url}`,
    `  echo '${QUESTION}' | ${command} invoke ${APP} ${spec.name} --api ${apiUrl}`,
    `  ${command} logs ${spec.name} --app ${APP} --api ${apiUrl} --runner ${runnerAddresses.join(',')}`,
    `  ${command} list functions ${APP} --api ${apiUrl}`,
    `  curl ${lbUrl}/metrics`,
    `  FN_API_URL=${apiUrl} fn list apps        # the fn command line of Fn works as it is`,
  ]);
}

/** The command for the reader to type: the path in a clone, `npx` where npm installed the package. */
function ownCommand(): string {
  return __dirname.split(path.sep).includes('node_modules') ? 'npx fnfleet' : 'bin/fnfleet';
}
