import { appendFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import {
  type ConnectionEvent,
  compileFilter,
  formatTimestamp,
  inspectRecording,
  parseTimestamp,
  type ReadRecordingOptions,
  readRecording,
} from '../../../src/index.js';
import { eventLine, numbered, numberedLines, RecordingFolder, stamp } from '../../support/recordings.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

const SECOND = 1000;
/** Ten events, a second apart. */
const lines = numberedLines(0, 10, SECOND);

async function read(sources: string | string[], options: ReadRecordingOptions = {}) {
  const messages: string[] = [];
  let text = '';
  const onProblem = ({ message }: { message: string }) => messages.push(message);
  for await (const { bytes } of readRecording(sources, { onProblem, ...options })) text += bytes.toString();
  return { lines: text.split('\n').slice(0, -1), messages };
}

function numbersOf(texts: readonly string[]): number[] {
  return texts.map((text) => (JSON.parse(text) as { data: { n: number } }).data.n);
}

async function numbers(sources: string | string[], options: ReadRecordingOptions) {
  return numbersOf((await read(sources, options)).lines);
}

function connection(at: number, event: ConnectionEvent, endpoint = 'devices'): string {
  return formatLifecycleLine(stamp(at), endpoint, event).toString().trimEnd();
}

describe('a part of a recording', () => {
  it.each<[string, ReadRecordingOptions, number[]]>([
    ['from an offset', { from: 7 * SECOND }, [7, 8, 9]],
    ['up to an offset, which belongs to it', { to: 2 * SECOND }, [0, 1, 2]],
    ['from a time', { from: stamp(8 * SECOND) }, [8, 9]],
    ['before the end', { from: -2 * SECOND }, [7, 8, 9]],
    ['up to a time before the end', { to: -8 * SECOND }, [0, 1]],
    ['between both', { from: 3 * SECOND, to: -3 * SECOND }, [3, 4, 5, 6]],
    ['0 before the end', { from: -0 }, [9]],
    ['the last events', { last: 3 }, [7, 8, 9]],
    ['more events than there are', { last: 30 }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['the last events of a time', { to: 5 * SECOND, last: 2 }, [4, 5]],
    ['the last events of endpoints', { endpoints: ['rules'], last: 2 }, []],
  ])('%s, in a file, packed and from standard input', async (_title, options, expected) => {
    const text = lines.map((line) => `${line}\n`).join('');
    expect(await numbers(folder.write(lines), options)).toEqual(expected);
    expect(await numbers(folder.write(gzipSync(text), 'a.ndjson.gz'), options)).toEqual(expected);
    expect(await numbers('-', { ...options, stdin: Readable.from([Buffer.from(text)]) })).toEqual(expected);
    expect(
      readdirSync(tmpdir()).filter((name) => name.startsWith('opmas-ws-') && name.includes('copy')),
    ).toEqual([]);
  });

  it('counts the last events after the filters, and keeps the lines between and after them', async () => {
    const mixed = lines.map((_, n) =>
      eventLine(n * SECOND, numbered(n, 'devices', n % 2 ? 'a.odd' : 'a.even')),
    );
    const closed = connection(7500, { state: 'closed', code: 1001, reason: '' });
    const path = folder.write([...mixed.slice(0, 8), closed, ...mixed.slice(8)]);
    const filter = await compileFilter({ types: ['a.odd'] });
    const { lines: got } = await read(path, { filter, last: 2 });
    expect(got).toEqual([mixed[7], closed, mixed[9]]);
    expect((await read(path, { filter, last: 1 })).lines).toEqual([mixed[9]]);
  });

  it('is of several files, merged by time, one of them empty', async () => {
    const odd = folder.write(lines.filter((_, n) => n % 2 === 1));
    const even = folder.write(gzipSync(lines.filter((_, n) => n % 2 === 0).join('\n')), 'b.gz');
    const empty = folder.write([]);
    for (const options of [{ from: -2 * SECOND }, { last: 3 }, { from: 7 * SECOND }]) {
      expect(await numbers([odd, empty, even], options)).toEqual([7, 8, 9]);
    }
  });

  it.each([
    ['a torn last line', '{"received_at":"2026-11-22T21:5'],
    ['a last line without a time', '{"type":"x","data":{"n":99}}\n'],
    ['a last line without a line feed', eventLine(10 * SECOND, numbered(10))],
    [
      'a last line of 300 kB',
      `${eventLine(10 * SECOND, `{"data":{"n":10},"pad":"${'x'.repeat(300_000)}"}`)}\n`,
    ],
  ])('counts from the last line that has a time: %s', async (title, last) => {
    const path = folder.write(lines);
    appendFileSync(path, last);
    const expected = title.includes('torn')
      ? [8, 9]
      : title.includes('without a time')
        ? [8, 9, 99]
        : [9, 10];
    expect(await numbers(path, { from: -SECOND })).toEqual(expected);
  });

  it('says which times the recording has when no line is of that time', async () => {
    const path = folder.write(lines);
    const late = await read(path, { from: '2027-01-01T00:00:00Z' });
    const all = `the recording ends at ${stamp(9 * SECOND)}`;
    expect(late).toEqual({ lines: [], messages: [`no line is from that time: ${all}`] });
    const early = await read(path, { to: '2026-01-01T00:00:00Z' });
    expect(early.messages).toEqual([expect.stringContaining(`the recording begins at ${stamp(0)}`)]);
    const between = await read(path, { from: 1.2 * 1000, to: 1.5 * 1000 });
    expect(between.messages).toEqual([
      expect.stringMatching(/: the recording has .*Z and later times, but none between$/),
    ]);
  });

  it('names the endpoints of the recording when it has no event of those that were asked for, in few words', async () => {
    const path = folder.write([
      eventLine(0, numbered(0)),
      eventLine(1, numbered(1), `/${'x'.repeat(100_000)}`),
    ]);
    const { lines: got, messages } = await read(path, { endpoints: ['rules'] });
    expect(got).toEqual([]);
    expect(messages).toEqual([
      expect.stringMatching(/^no event is from rules; the recording has devices, \/x{9,500}…$/),
    ]);
  });

  it('has lines whose clock was set back by up to a minute, also behind its end', async () => {
    const times = [0, 10, 40, 5, 12, 81, 11];
    const path = folder.write(times.map((second, n) => eventLine(second * SECOND, numbered(n))));
    expect(await numbers(path, { from: 4 * SECOND, to: 20 * SECOND })).toEqual([1, 3, 4]);
  });

  it('is refused when the recording has no times', async () => {
    const path = folder.write([numbered(0), numbered(1)]);
    await expect(read(path, { from: 1 })).rejects.toMatchObject({ code: 'USAGE', message: /received_at/ });
    expect(await numbers(path, { last: 1 })).toEqual([1]);
  });

  it.each<[string, ReadRecordingOptions]>([
    ['two offsets', { from: 5, to: 1 }],
    ['two times', { from: stamp(5), to: stamp(1) }],
    ['two offsets from the end', { from: -1, to: -5 }],
  ])('that ends before it begins is refused before a file is opened: %s', (_title, options) => {
    expect(() => readRecording('nothing.ndjson', options)).toThrow(
      'the end (to) comes before the start (from)',
    );
  });

  it.each([
    [{ last: 0 }, /last must be/],
    [{ from: 'yesterday' }, /from: "yesterday" is neither/],
    [{ to: Number.NaN }, /to: null is neither/],
  ])('%j is refused', (options, message) => {
    expect(() => readRecording('nothing.ndjson', options)).toThrow(message);
  });

  it('says how many events did not fit into memory', async () => {
    const long = lines.map((_, n) => eventLine(n, `{"data":{"n":${n}},"pad":"${'x'.repeat(1000)}"}`));
    const { lines: got, messages } = await read(folder.write(long), { last: 8, maxBufferBytes: 4000 });
    expect(numbersOf(got)).toEqual([7, 8, 9]);
    expect(messages).toEqual(['only 3 of the last 8 events: more did not fit into 0.00381 MiB of memory']);
  });
});

describe('inspect of a part', () => {
  const gap = [
    connection(0, { state: 'connecting', attempt: 1, url: 'ws://x', recorder: 'r', format: 2 }),
    connection(0, { state: 'open' }),
    ...numberedLines(1, 3, SECOND),
    connection(3 * SECOND, { state: 'closed', code: 1006, reason: '', lost: true, retry_in_ms: 1 }),
    ...numberedLines(4, 7, SECOND, 'rules'),
    connection(7 * SECOND, { state: 'open', gap_since: stamp(3 * SECOND) }),
    ...numberedLines(8, 10, SECOND),
  ];
  const at = (text: string) => (parseTimestamp(text) ?? 0) - (parseTimestamp(stamp(0)) ?? 0);

  it.each([
    ['the whole recording', {}, [[3, 7]], 5 / 9, 1],
    ['a part that begins in a gap', { from: 5 * SECOND }, [[5, 7]], 2 / 4, 0],
    ['a part that ends in a gap', { to: 5 * SECOND }, [[3, 5]], 3 / 5, 1],
    ['a part that lies in a gap', { from: 4 * SECOND, to: 6 * SECOND }, [[4, 6]], 0, 0],
    ['a part behind the gap', { from: 8 * SECOND }, [], 1, 0],
    ['the last events, of which the first came in the gap', { last: 4 }, [[5, 7]], 2 / 4, 0],
    ['the last events behind the gap', { last: 1 }, [], 1, 0],
  ])('%s', async (_title, part, gaps, coverage, closes) => {
    const report = await inspectRecording(folder.write(gap), part);
    const start = parseTimestamp(stamp(0)) ?? 0;
    expect(report.gaps.map(({ from, to }) => [(from - start) / 1e6, (to - start) / 1e6])).toEqual(gaps);
    expect(report.coverage.devices).toBeCloseTo(coverage, 6);
    expect(report.closeCounts.length).toBe(closes);
  });

  const dead = { state: 'closed', code: 1006, reason: 'nothing came for 25 s', lost: true } as const;
  const again = { state: 'connecting', attempt: 1, url: 'ws://x', recorder: 'r', format: 2 } as const;
  const opened = connection(0, { state: 'open' });
  const silence = (closedAt: number, reason: string = dead.reason) => [
    opened,
    ...numberedLines(1, 3, SECOND),
    connection(closedAt * SECOND, { ...dead, reason, retry_in_ms: 1000 }),
    connection((closedAt + 1) * SECOND, { state: 'open', gap_since: stamp(4.5 * SECOND) }),
    ...numberedLines(closedAt + 2, closedAt + 11, SECOND),
  ];
  const notRecorded = (...end: string[]) => [
    opened,
    ...numberedLines(1, 4, SECOND),
    ...end,
    connection(7200 * SECOND, again),
    connection(7200 * SECOND, { state: 'open' }),
    ...numberedLines(7201, 7202, SECOND),
  ];
  const stopped = connection(4 * SECOND, { state: 'closed', code: 1000, reason: '' });
  it.each([
    ['that begins in a silence', silence(30), { from: 10 * SECOND }, [[10, 31]], 9 / 30],
    ['that begins shortly before its end', silence(30), { from: 25 * SECOND }, [[25, 31]], 9 / 15],
    ['that ends in a silence', silence(30), { to: 10 * SECOND }, [[4.5, 10]], 0.45],
    ['that lies in a silence', silence(30), { from: 10 * SECOND, to: 20 * SECOND }, [[10, 20]], 0],
    [
      'whose last events came before a silence',
      silence(30),
      { to: 10 * SECOND, last: 1 },
      [[4.5, 10]],
      0.3125,
    ],
    [
      'that ends in a silence of minutes',
      silence(300, 'nothing came for 295 s'),
      { to: 9 * SECOND },
      [[4.5, 9]],
      0.5,
    ],
    ['that ends before a silence', silence(30), { to: 4 * SECOND }, [], 1],
    ['that ends where a recorder was killed', notRecorded(), { to: 10 * SECOND }, [[3, 10]], 0.3],
    ['that ends where a recorder was stopped', notRecorded(stopped), { to: 10 * SECOND }, [[4, 10]], 0.4],
  ])('%s', async (_title, recording, part, gaps, coverage) => {
    const report = await inspectRecording(folder.write(recording), part);
    const shown = report.outages.map(({ from, to }) => [
      at(formatTimestamp(from)) / 1e6,
      at(formatTimestamp(to)) / 1e6,
    ]);
    expect(shown).toEqual(gaps);
    expect(report.outageSeconds).toBeCloseTo(
      gaps.reduce((sum, [from = 0, to = 0]) => sum + to - from, 0),
      6,
    );
    expect(report.coverage.devices).toBeCloseTo(coverage, 6);
  });

  it('counts matching events, and all gaps', async () => {
    const filter = await compileFilter({ where: 'data.n == 8' });
    const report = await inspectRecording(folder.write(gap), { filter });
    expect([report.events, report.gapCount, at(stamp(0))]).toEqual([1, 1, 0]);
  });

  it('of nothing reports nothing', async () => {
    const report = await inspectRecording(folder.write(gap), { from: '2027-01-01T00:00:00Z' });
    expect(report).toMatchObject({ events: 0, gaps: [], closeCounts: [], first: undefined });
  });
});
