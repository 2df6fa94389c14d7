// needs: nothing
import { problemsOf } from './role-environment.js';

const where = 'here';
const lb = { FN_NODE_TYPE: 'lb', FN_RUNNER_API_URL: 'https://api:8080', FN_RUNNER_POOL: 'dns://runner:9190' };

it.each`
  story                         | change                                    | problem
  ${'all is well'}              | ${{}}                                     | ${[]}
  ${'a file holds the value'}   | ${{ FN_OPERATOR_TOKEN_FILE: '/nowhere' }} | ${[]}
  ${'there is no such setting'} | ${{ FN_DRAIN_GRACE: '1' }}                | ${['FN_DRAIN_GRACE: no setting of the role lb']}
  ${'it is another role’s'}     | ${{ FN_DB_URL: 'sqlite3://x' }}           | ${['FN_DB_URL: no setting of the role lb']}
  ${'the value does not fit'}   | ${{ FN_DRAIN_GRACE_MSECS: '45s' }}        | ${[expect.stringContaining('FN_DRAIN_GRACE_MSECS: expected a whole number')]}
  ${'one is missing'}           | ${{ FN_RUNNER_API_URL: '' }}              | ${[expect.stringContaining('FN_RUNNER_API_URL: required')]}
`('$story', ({ change, problem }) => {
  expect(problemsOf({ where, env: { ...lb, ...change } })).toEqual(problem);
});
