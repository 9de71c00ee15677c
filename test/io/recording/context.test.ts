import { afterAll, describe, expect, it } from 'vitest';
import { formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import { compileFilter, type ReadRecordingOptions, readRecording } from '../../../src/index.js';
import { eventLine, numbered, RecordingFolder, stamp } from '../../support/recordings.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());
const errors = await compileFilter({ types: ['device.error'] });

/** Events a second apart; `!` is an error, `c` a lifecycle line. */
function lines(kinds: string, endpoints = 'd'): string[] {
  return [...kinds].map((kind, n) => {
    const endpoint = endpoints[n % endpoints.length] === 'd' ? 'devices' : 'rules';
    if (kind === 'c') {
      return formatLifecycleLine(stamp(n * 1000), endpoint, { state: 'open' })
        .toString()
        .trimEnd();
    }
    return eventLine(n * 1000, numbered(n, endpoint, kind === '!' ? 'device.error' : 'a.b'), endpoint);
  });
}

async function read(recorded: string[], options: ReadRecordingOptions) {
  const messages: string[] = [];
  const onProblem = ({ message }: { message: string }) => messages.push(message);
  const texts: string[] = [];
  for await (const batch of readRecording(folder.write(recorded), {
    filter: errors,
    onProblem,
    ...options,
  })) {
    const given = batch.bytes.toString().split('\n').slice(0, -1);
    expect(given).toHaveLength(batch.count);
    texts.push(...given);
  }
  return { numbers: texts.map((text) => recorded.indexOf(text)), messages };
}

describe('context around recorded events', () => {
  it.each<[string, ReadRecordingOptions, string, number[]]>([
    ['events', { before: { events: 2 }, after: { events: 1 } }, '.....!....', [3, 4, 5, 6]],
    ['times', { before: { ms: 2000 }, after: { ms: 1000 } }, '.....!....', [3, 4, 5, 6]],
    ['lifecycle lines, all of them', { before: { events: 1 } }, 'c..c.!.c', [0, 3, 4, 5, 7]],
    ['of a part', { before: { ms: 9000 }, from: 3000 }, '.....!....', [3, 4, 5]],
    ['with a number of events', { after: { events: 2 }, count: 1 }, '..!!!....!', [2, 3, 4]],
    ['with a number of events, without what follows', { before: { events: 1 }, count: 1 }, '..!!!', [1, 2]],
  ])('%s', async (_title, options, kinds, expected) => {
    expect((await read(lines(kinds), options)).numbers).toEqual(expected);
  });

  it('is of the endpoints that were asked for', async () => {
    const options = { before: { events: 2 }, endpoints: ['devices'] };
    expect((await read(lines('......!', 'dr'), options)).numbers).toEqual([2, 4, 6]);
  });

  it('leaves out events that the filter drops', async () => {
    const { numbers } = await read(lines('c..c!'), {
      before: { events: 9 },
      keep: ({ kind }) => kind === 'event',
    });
    expect(numbers).toEqual([1, 2, 4]);
  });

  it('says once that memory was too small, and how often', async () => {
    const options = { before: { events: 9 }, maxBufferBytes: 500 };
    const { numbers, messages } = await read(lines('.....!.....!'), options);
    expect(numbers).toEqual([2, 3, 4, 5, 8, 9, 10, 11]);
    expect(messages).toEqual([
      expect.stringMatching(/^the context of 2 events is not whole: .* MiB of memory$/),
    ]);
  });

  it('of a time needs times', async () => {
    const untimed = [numbered(0), numbered(1, 'devices', 'device.error')];
    await expect(read(untimed, { before: { ms: 5 } })).rejects.toMatchObject({ code: 'USAGE' });
    expect((await read(untimed, { before: { events: 5 } })).numbers).toEqual([0, 1]);
  });

  it.each<[ReadRecordingOptions, RegExp]>([
    [{ before: { events: 1 }, filter: undefined }, /need a filter/],
    [{ after: { ms: 1 }, last: 3 }, /cannot be combined/],
    [{ count: 0 }, /count must be/],
  ])('%j is refused before a file is opened', (options, message) => {
    expect(() => readRecording('nothing.ndjson', { filter: errors, ...options })).toThrow(message);
  });
});
