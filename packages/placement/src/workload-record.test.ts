import { decodeWorkloadRecord, encodeWorkloadRecord, type WorkloadRecord } from './workload-record.js';

const record: WorkloadRecord = { atMs: 12.3456, appId: 'shop', fnId: 'cart', memoryMb: 128, execMs: 8, initMs: 410 };

it('a record becomes one line and can be read back, to the microsecond', () => {
  const line = encodeWorkloadRecord(record);
  expect(line).toBe('{"t_ms":12.346,"app":"shop","fn":"cart","memory_mb":128,"exec_ms":8,"init_ms":410}');
  expect(decodeWorkloadRecord(line)).toEqual({ ...record, atMs: 12.346 });
});

it('a call that found a hot container has no start time', () => {
  const line = encodeWorkloadRecord({ ...record, initMs: undefined });
  expect(line).not.toContain('init_ms');
  expect(decodeWorkloadRecord(line).initMs).toBeUndefined();
});

it.each`
  what                     | line                                                              | problem
  ${'no JSON'}             | ${'hello'}                                                        | ${'expected a JSON object, got "hello"'}
  ${'nothing'}             | ${'null'}                                                         | ${'expected a JSON object, got "null"'}
  ${'other JSON'}          | ${'[1]'}                                                          | ${'expected a JSON object, got "[1]"'}
  ${'a negative time'}     | ${'{"t_ms":-1}'}                                                  | ${'t_ms: expected a number that is not negative, got -1'}
  ${'no function'}         | ${'{"t_ms":1,"app":"a"}'}                                         | ${'fn: expected a text that is not empty, got nothing'}
  ${'an empty name'}       | ${'{"t_ms":1,"app":"","fn":"f"}'}                                 | ${'app: expected a text that is not empty, got ""'}
  ${'no memory'}           | ${'{"t_ms":1,"app":"a","fn":"f","memory_mb":0}'}                  | ${'memory_mb: expected a number above 0, got 0'}
  ${'a very long text'}    | ${`"${'x'.repeat(100)}"`}                                         | ${`expected a JSON object, got "\\"${'x'.repeat(57)}…`}
  ${'a duration in words'} | ${'{"t_ms":1,"app":"a","fn":"f","memory_mb":1,"exec_ms":"soon"}'} | ${'exec_ms: expected a number that is not negative, got "soon"'}
`('a line with $what is rejected with the reason', ({ line, problem }) => {
  expect(() => decodeWorkloadRecord(line)).toThrow(problem);
});
