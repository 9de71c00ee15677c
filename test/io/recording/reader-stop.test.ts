import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { readRecording } from '../../../src/index.js';

it('a reading that is aborted before any input ends without a problem', async () => {
  const stopping = new AbortController();
  const problems: string[] = [];
  const batches = readRecording(['-'], {
    stdin: new PassThrough(),
    signal: stopping.signal,
    onProblem: ({ message }) => problems.push(message),
  });
  const first = batches.next();
  stopping.abort();
  expect(await first).toEqual({ done: true, value: undefined });
  expect(problems).toEqual([]);
});
