import { structToJson } from './struct-json.js';

it('is JSON without white space, with ordered keys at every level', () => {
  const struct = {
    fields: {
      z: { nullValue: 'NULL_VALUE' },
      b: { listValue: { values: [{ boolValue: false }, { stringValue: 'a"\n' }, { listValue: {} }] } },
      '10': { numberValue: 1.5 },
      '9': { numberValue: 0 },
      a: { structValue: { fields: { y: { stringValue: '' }, x: { boolValue: true } } } },
      __proto__x: {},
    },
  };
  expect(structToJson(struct)).toBe(
    '{"10":1.5,"9":0,"__proto__x":null,"a":{"x":true,"y":""},"b":[false,"a\\"\\n",[]],"z":null}',
  );
  expect(structToJson({})).toBe('{}');
});

it('a number that JSON cannot represent is rejected', () => {
  expect(() => structToJson({ fields: { a: { numberValue: Number.NaN } } })).toThrow('NaN');
});
