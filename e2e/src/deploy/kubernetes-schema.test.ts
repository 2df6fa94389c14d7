// needs: nothing
import { objectsIn } from './kubernetes-objects.js';
import { schemaProblems, unknownFields } from './kubernetes-schema.js';

jest.setTimeout(120_000);

const budget = (spec: string) => `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: lb }
spec: ${spec}`;

async function problems(yaml: string): Promise<string> {
  const objects = objectsIn(yaml);
  const found = [...(await Promise.all(objects.map(schemaProblems))).flat(), ...(await unknownFields(objects))];
  return found.join('\\n');
}

it.each`
  story                           | yaml                                                              | says
  ${'all is well'}                | ${budget('{ maxUnavailable: 1, selector: { matchLabels: {} } }')} | ${/^$/}
  ${'no kind has such a field'}   | ${budget('{ maxUnavailabel: 1 }')}                                | ${/maxUnavailabel/}
  ${'a field is of another kind'} | ${budget('{ selector: lb }')}                                     | ${/selector/}
  ${'there is no such kind'}      | ${'apiVersion: policy/v1\nkind: Budget\nmetadata: { name: x }'}   | ${/policy\/v1 has no Budget/}
`('$story', async ({ yaml, says }) => {
  expect(await problems(yaml)).toMatch(says);
});
