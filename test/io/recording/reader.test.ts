import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import type { LineView } from '../../../src/core/recording/line-view.js';
import {
  formatTimestamp,
  type LineBatch,
  type ReadProblem,
  type ReadRecordingOptions,
  readRecording,
} from '../../../src/index.js';
import { stamp } from '../../support/recordings.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-reader-'));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
async function file(content: string | Buffer): Promise<string> {
  const path = join(folder, `f${files++}.ndjson`);
  await writeFile(path, content);
  return path;
}

async function read(sources: string | string[], options: ReadRecordingOptions = {}) {
  const problems: ReadProblem[] = [];
  const chunks: Buffer[] = [];
  const views: { kind: string; time: number; endpoint: string | undefined }[] = [];
  let count = 0;
  const all = typeof sources === 'string' ? [sources] : sources;
  for await (const batch of readRecording(all, {
    onProblem: (problem) => problems.push(problem),
    ...options,
    keep: (line) => {
      if (options.keep !== undefined && !options.keep(line)) return false;
      views.push({ kind: line.kind, time: line.receivedAt, endpoint: line.endpoint });
      return true;
    },
  })) {
    const text = batch.bytes.toString('latin1');
    expect(text.endsWith('\n')).toBe(true);
    expect(batch.count).toBe(text.split('\n').length - 1);
    for (const { start, end, connection } of batch.lifecycle ?? []) {
      expect(JSON.parse(text.slice(start, end))).toMatchObject({ connection });
    }
    chunks.push(Buffer.from(batch.bytes));
    count += batch.count;
    batch.release?.();
  }
  return {
    text: Buffer.concat(chunks).toString(),
    // The order of times has tests of its own.
    problems: problems.filter(({ kind }) => kind !== 'disorder'),
    views,
    times: views.map(({ time }) => time),
    count,
    kinds: problems.map(({ kind }) => kind),
  };
}

const second = 1_000_000;
function event(at: number, endpoint = 'devices', rest = `"type":"device.error","n":${at}`): string {
  return `{"received_at":"${formatTimestamp(at)}","endpoint":"${endpoint}",${rest}}\n`;
}
function lines(count: number, from = 0, step = second): string {
  return Array.from({ length: count }, (_, i) => event(from + i * step)).join('');
}

describe('a whole recording', () => {
  test('keeps its batches intact, even when one is given back twice', async () => {
    const batches = readRecording(await file(lines(30_000)));
    const next = async () => (await batches.next()).value as LineBatch;
    const first = await next();
    first.release?.();
    await next();
    first.release?.();
    const third = await next();
    const text = third.bytes.toString();
    await next();
    expect(third.bytes.toString() === text).toBe(true);
    await batches.return();
  });

  test('comes out byte for byte, with kind, time and endpoint of each line', async () => {
    const text = [
      formatLifecycleLine(formatTimestamp(1), 'devices', { state: 'open' }).toString(),
      event(2),
      formatInvalidLine(formatTimestamp(3), 'rules', 'not JSON', Buffer.from('{"a"'), false).toString(),
      event(4, '/api/v1/ws/device/1', '"data":{"n":12345678901234567890,"n":1.0,"s":"\\u0000\u2028"}'),
    ].join('');
    const path = await file(text);
    const { text: got, views } = await read(path);
    expect(got).toBe(text);
    expect(views).toEqual([
      { kind: 'connection', time: 1, endpoint: 'devices' },
      { kind: 'event', time: 2, endpoint: 'devices' },
      { kind: 'invalid', time: 3, endpoint: 'rules' },
      { kind: 'event', time: 4, endpoint: '/api/v1/ws/device/1' },
    ]);
  });

  test('larger than all blocks, in lines of any length, comes out byte for byte', async () => {
    const long = event(5, 'devices', `"pad":"${'x'.repeat(3 * 1024 * 1024)}"`);
    const text = `${lines(20_000)}${long}${lines(3, 6)}${long}${long}${lines(10_000, 7)}`;
    const { text: got, count, problems } = await read(await file(text));
    expect(got === text).toBe(true);
    expect(count).toBe(30_006);
    expect(problems).toEqual([]);
  });

  test('comes out of stdin byte for byte, in pieces of any size', async () => {
    const text = lines(40);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length)), async (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, i) => Buffer.from(text.slice(places[i], end)));
        const stdin = Readable.from(pieces.filter((piece) => piece.length > 0));
        expect((await read('-', { stdin })).text).toBe(text);
      }),
      { numRuns: 50 },
    );
  });
});

describe('text around the lines', () => {
  test('a byte order mark, CRLF, blank lines and a missing last line feed are not damage', async () => {
    const [first, second, third] = lines(3).split('\n');
    const path = await file(`\ufeff${first}\r\n\r\n  \t\n${second}\r\n\n${third}`);
    const { text, problems } = await read(path, { strict: true });
    expect(text).toBe(`${first}\n${second}\n${third}\n`);
    expect(problems).toEqual([]);
  });

  test.each([
    ['a line of ours', 'z'],
    ['a line of ours after spaces', '  z'],
    ['a rewritten line', '{"type":"a","received_at":"2026-11-22T21:50:00.1Z","subject":"caf\xe9"}'],
    ['foreign NDJSON', '{"type":"a","subject":"caf\xe9"}'],
  ])('text in Latin-1 is skipped: %s', async (_, text) => {
    const ours = event(2, 'devices', '"subject":"caf\xe9"').trimEnd();
    const odd = Buffer.from(text.replace('z', ours), 'latin1');
    const path = await file(Buffer.concat([Buffer.from(event(1)), odd, Buffer.from(`\n${event(3)}`)]));
    const { text: got, problems } = await read(path);
    expect(got).toBe(event(1) + event(3));
    expect(problems.map(({ kind, line, message }) => [kind, line, message.includes('not UTF-8')])).toEqual([
      ['bad line', 2, true],
    ]);
  });

  test('spaces that belong to the frame are kept', async () => {
    const text = `  ${event(1).trimEnd()} \t \n`;
    expect((await read(await file(text))).text).toBe(text);
  });

  test.each([
    ['nothing', ''],
    ['blank lines only', '\n\r\n \n'],
    ['random bytes', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i * 7919 + (i >> 3)) & 0xff))],
    ['text', 'Dear reader,\nthis is no recording.\n'],
    ['JSON over several lines', JSON.stringify(JSON.parse(lines(1)), null, 2)],
    ['JSON that is not an object', '[1]\n[2]\n3\n"4"\nnull\n'],
    ['a gzip file of nothing', gzipSync('')],
  ])('%s is not a recording: DATA, with the number of the line', async (_, content) => {
    const path = await file(content);
    await expect(read(path)).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringMatching(/f\d+\.ndjson(:| is not a recording: line )1:/),
    });
  });

  test.for([
    ['zstd', 'KLUv/SQ=', 'zstd -dc'],
    ['xz', '/Td6WFoAAAT=', 'xz -dc'],
    ['bzip2', 'QlpoOTFBWSY=', 'bzip2 -dc'],
    ['lz4', 'BCJNGGRApw==', 'lz4 -dc'],
    ['lzip', 'TFpJUAE=', 'lzip -dc'],
    ['compress', 'H52Q', 'gzip -dc'],
    ['a zip archive', 'UEsDBBQAAAA=', 'unzip -p'],
    ['a 7z archive', 'N3q8ryccAAQ=', '7z x -so'],
    [
      'UTF-16 text',
      Buffer.from(`\ufeff${lines(2)}`, 'utf16le').toString('base64'),
      'iconv -f UTF-16 -t UTF-8',
    ],
    ['UTF-16 text', Buffer.from(lines(2), 'utf16le').toString('base64'), 'iconv -f UTF-16LE -t UTF-8'],
    [
      'UTF-16 text',
      Buffer.from(lines(2), 'utf16le').swap16().toString('base64'),
      'iconv -f UTF-16BE -t UTF-8',
    ],
    ['UTF-32 text', '//4AAHsAAAA=', 'iconv -f UTF-32 -t UTF-8'],
    ['UTF-32 text', 'AAD+/wAAAHs=', 'iconv -f UTF-32 -t UTF-8'],
    ['UTF-32 text', 'ewAAACIAAAA=', 'iconv -f UTF-32LE -t UTF-8'],
    ['UTF-32 text', 'AAAAewAAACI=', 'iconv -f UTF-32BE -t UTF-8'],
  ])('%s is named, with the command that unpacks it', async ([what, content, command]) => {
    const path = await file(Buffer.from(content!, 'base64'));
    await expect(read(path)).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringMatching(`\\.ndjson is .*${what}.*, which is not read`),
      hint: `Unpack it: ${command} ${path} | opmas-ws inspect -`,
    });
  });

  test.for([
    ['compressed with gzip twice', gzipSync(lines(2)), 'gzip -dc'],
    ['UTF-16 text', Buffer.from(lines(2), 'utf16le'), 'iconv -f UTF-16LE -t UTF-8'],
  ] as const)('%s in a gzip file is named, too', async ([what, content, command]) => {
    const path = await file(gzipSync(content));
    await expect(read(path)).rejects.toMatchObject({
      code: 'DATA',
      message: `${path} is ${what}, which is not read`,
      hint: `Unpack it: gzip -dc ${path} | ${command} | opmas-ws inspect -`,
    });
  });

  test('a newer format is refused', async () => {
    const line = `{"received_at":"${formatTimestamp(5)}","connection":{"state":"connecting","recorder":"opmas-ws/9.0.0","format":3},"endpoint":"rules"}\n`;
    await expect(read(await file(lines(2) + line))).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringContaining(':3: format 3, written by opmas-ws/9.0.0, is newer'),
    });
  });

  test('a recording of version 1 keeps the message of each line, also after version 2 was appended', async () => {
    const odd = '{"event":{"endpoint":"x"}}';
    const connecting = (format: number) =>
      `{"received_at":"${formatTimestamp(5)}","connection":{"state":"connecting","format":${format}},"endpoint":"rules"}\n`;
    const line = `{"received_at":"${formatTimestamp(6)}","endpoint":"rules",${odd.slice(1)}\n`;
    const payloads: string[] = [];
    const path = await file(connecting(1) + line + connecting(2) + line);
    const keep = (view: LineView) => {
      payloads.push(view.payload()?.toString() ?? view.kind);
      return false;
    };
    for await (const _ of readRecording([path], { keep })) throw new Error('nothing is kept');
    expect(payloads).toEqual(['connection', odd, 'connection', '{"endpoint":"x"}']);
  });

  test('foreign NDJSON has no times, and its endpoints follow from the event types', async () => {
    const text = '{"type":"rule.triggered","data":1}\n{"subject":"x","received_at":"noon"}\n';
    const { text: got, views } = await read(await file(text));
    expect(got).toBe(text);
    expect(views).toEqual([
      { kind: 'event', time: Number.NaN, endpoint: 'rules' },
      { kind: 'event', time: Number.NaN, endpoint: undefined },
    ]);
  });

  test('lines that jq has rewritten keep their kind, time and payload', async () => {
    const text =
      '{"connection":{"state":"open"},"endpoint":"devices","received_at":"1970-01-01T00:00:01Z"}\n' +
      '{"data":{"a":1},"endpoint":"devices","received_at":"1970-01-01T00:00:02.5+00:00","type":"x"}\n' +
      '{"received_at": "1970-01-01T00:00:03.000000Z", "endpoint": "devices", "type": "x"}\n';
    const payloads: unknown[] = [];
    const keep: ReadRecordingOptions['keep'] = (line) => {
      payloads.push(line.payload()?.toString(), line.connection?.state);
      return true;
    };
    const { views } = await read(await file(text), { keep });
    expect(views.map(({ kind }) => kind)).toEqual(['connection', 'event', 'event']);
    expect(views.map(({ time }) => time)).toEqual([1, 2.5, 3].map((at) => at * second));
    expect(payloads).toEqual([
      undefined,
      'open',
      '{"data":{"a":1},"type":"x"}',
      undefined,
      '{"type": "x"}',
      undefined,
    ]);
  });
});

describe('damage', () => {
  test('a torn last line is skipped and reported', async () => {
    const text = lines(3);
    for (const cut of [2, 10, 30, 60]) {
      const path = await file(text + event(9).slice(0, cut));
      const { text: got, problems } = await read(path);
      expect(got).toBe(text);
      expect(problems).toEqual([
        {
          kind: 'torn tail',
          source: path,
          line: 4,
          offset: text.length,
          message: `${path}:4: the last line is torn (${cut} bytes from byte ${text.length} on)`,
        },
      ]);
      await expect(read(path, { strict: true })).rejects.toMatchObject({ code: 'DATA' });
    }
  });

  test('a file of one torn line is an empty recording', async () => {
    const { text, kinds } = await read(await file(event(9).slice(0, 20)));
    expect([text, kinds]).toEqual(['', ['torn tail']]);
  });

  test('torn and foreign lines in the middle are skipped and reported with their numbers', async () => {
    const path = await file(
      `${event(1)}${event(2).slice(0, 40)}${event(3)}oops\n${event(4)}[1]\n${event(5)}`,
    );
    const { text, problems } = await read(path);
    expect(text).toBe(event(1) + event(4) + event(5));
    expect(problems.map(({ kind, line }) => [kind, line])).toEqual([
      ['bad line', 2],
      ['bad line', 3],
      ['bad line', 5],
    ]);
    expect(problems[1]).toMatchObject({ offset: event(1).length + 40 + event(3).length });
    await expect(read(path, { strict: true })).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringContaining(`${path}:2: not a JSON object`),
    });
  });

  test('is an error with the strict option, after the lines in front of it', async () => {
    const batches = readRecording(await file(`${lines(3)}oops\n${lines(2)}`), { strict: true });
    const { value } = await batches.next();
    expect(value?.bytes.toString()).toBe(lines(3));
    await expect(batches.next()).rejects.toMatchObject({ code: 'DATA' });
  });

  test('the first line may be cut off, as `tail -c` does', async () => {
    const { text, kinds } = await read(await file(event(1).slice(9) + event(2)));
    expect([text, kinds]).toEqual([event(2), ['bad line']]);
  });

  test.each([
    ['zero bytes', '\0'.repeat(26)],
    ['a control character', '2026-11-22T21:50:0\u0001.000000'],
    ['a quote', '2026-11-22T21:50:0".000000'],
  ])('%s in the time of a line make it a bad line', async (_, time) => {
    const damaged = event(2).replace(/"received_at":".{26}/, `"received_at":"${time}`);
    expect(damaged).toHaveLength(event(2).length);
    const { text, kinds } = await read(await file(event(1) + damaged + event(3)));
    expect([text, kinds]).toEqual([event(1) + event(3), ['bad line']]);
  });

  test('an event with an impossible time is an event without a time', async () => {
    const odd = event(2).replace(/"received_at":".{26}/, '"received_at":"2026-11-22T25:50:01.000000');
    const { text, kinds, count } = await read(await file(event(1) + odd + event(3)));
    expect([text, kinds, count]).toEqual([event(1) + odd + event(3), [], 3]);
  });

  test('a hole of zero bytes of any size is skipped, and the line after it is read', async () => {
    const hole = Buffer.alloc(70 * 1024 * 1024);
    const { text, problems } = await read(
      await file(Buffer.concat([Buffer.from(event(1)), hole, Buffer.from(event(2))])),
    );
    expect(text).toBe(event(1) + event(2));
    expect(problems).toMatchObject([{ kind: 'hole', line: 2, offset: event(1).length }]);
  });

  test('a hole at the end is skipped, too', async () => {
    const { text, kinds } = await read(await file(`${event(1)}\0\0\0\0`));
    expect([text, kinds]).toEqual([event(1), ['hole']]);
  });

  test('two recordings in one file are one recording', async () => {
    const text = lines(3, 50 * second) + lines(3);
    const { text: got, problems } = await read(await file(text));
    expect([got, problems]).toEqual([text, []]);
  });
});

describe('gzip data, recognized by its content', () => {
  const text = lines(20_000);
  const packed = gzipSync(text);

  test('of one member, of several, and with zeros at the end', async () => {
    expect((await read(await file(packed))).text === text).toBe(true);
    const parts = Buffer.concat([packed, gzipSync(event(1)), Buffer.alloc(512)]);
    const { text: got, problems } = await read(await file(parts));
    expect(got === text + event(1)).toBe(true);
    expect(problems).toEqual([]);
  });

  test('from stdin', async () => {
    const stdin = Readable.from([packed.subarray(0, 1000), packed.subarray(1000)]);
    expect((await read('-', { stdin })).text === text).toBe(true);
  });

  test.each([
    ['cut in half', packed.subarray(0, packed.length / 2)],
    ['without its last 8 bytes', packed.subarray(0, -8)],
    ['cut in its last 8 bytes', packed.subarray(0, -3)],
  ])('%s: all lines up to the tear are read', async (_, torn) => {
    const path = await file(torn);
    const { text: got, kinds } = await read(path);
    expect(kinds).toEqual(['torn gzip']);
    expect(text.startsWith(got)).toBe(true);
    expect(got.length).toBeGreaterThan(torn.length);
    await expect(read(path, { strict: true })).rejects.toMatchObject({ code: 'DATA' });
  });

  test('followed by something else: all lines before that are read', async () => {
    const { text: got, kinds } = await read(
      await file(Buffer.concat([packed, Buffer.from('something else')])),
    );
    expect([got === text, kinds]).toEqual([true, ['torn gzip']]);
  });

  test('with damage inside: all whole lines before the damage are read', async () => {
    const damaged = Buffer.from(packed);
    const at = Math.floor(packed.length * 0.7);
    damaged.fill(0xff, at, at + 20);
    const { text: got, kinds } = await read(await file(damaged));
    expect(kinds.at(-1)).toBe('torn gzip');
    // The whole lines that the bytes before the damage unpack to.
    const { text: before } = await read(await file(packed.subarray(0, at)));
    expect(before.length).toBeGreaterThan(text.length / 2);
    expect(got.startsWith(before)).toBe(true);
  });

  test('with damage inside a long file: all whole lines before the damage are read', async () => {
    const noise = (i: number) => createHash('sha256').update(String(i)).digest('base64');
    const member = (from: number, to: number) => {
      const numbers = Array.from({ length: to - from }, (_, i) => from + i);
      return gzipSync(
        numbers.map((n) => `{"received_at":"${stamp(n)}","endpoint":"devices","r":"${noise(n)}"}\n`).join(''),
      );
    };
    const wrong = member(14_000, 14_100);
    wrong[2] = 7;
    const path = await file(Buffer.concat([member(0, 14_000), wrong, member(14_100, 30_000)]));
    expect((await read(path)).text.split('\n')).toHaveLength(14_001);
  });

  test('torn before the first line: no lines, and the tear is reported', async () => {
    const { text: got, kinds } = await read(await file(packed.subarray(0, 12)));
    expect([got, kinds]).toEqual(['', ['torn gzip']]);
  });
});

describe('limits', () => {
  test('a line over 64 MiB is an error, even when it never ends', async () => {
    const long = Buffer.concat([Buffer.from(event(1)), Buffer.alloc(65 * 1024 * 1024, 'x')]);
    for (const content of [long, gzipSync(long, { level: 1 })]) {
      await expect(read(await file(content))).rejects.toMatchObject({
        code: 'DATA',
        message: expect.stringContaining(
          `:2: the line (from byte ${event(1).length} on) is longer than 64 MiB`,
        ),
      });
    }
  });
});

describe('several files', () => {
  test('are merged by time; at equal times the file that was named first comes first', async () => {
    const a = await file(event(1, 'a') + event(4, 'a') + event(4, 'a') + event(9, 'a'));
    const b = await file(event(2, 'b') + event(4, 'b') + event(5, 'b'));
    const c = await file(event(4, 'c'));
    const merged = [1, 4, 4].map((at) => event(at, 'a'));
    merged.splice(1, 0, event(2, 'b'));
    merged.push(event(4, 'b'), event(4, 'c'), event(5, 'b'), event(9, 'a'));
    expect((await read([a, b, c])).text).toBe(merged.join(''));
  });

  test('keep their own order, even when times run backwards or are missing', async () => {
    const a = await file(`${event(5, 'a')}${event(1, 'a')}{"a":1}\n${event(7, 'a')}`);
    const b = await file(event(2, 'b') + event(6, 'b'));
    const { text } = await read([a, b]);
    expect(text).toBe(
      `${event(2, 'b')}${event(5, 'a')}${event(1, 'a')}{"a":1}\n${event(6, 'b')}${event(7, 'a')}`,
    );
  });

  test('may be empty except one: a kill during a rotation leaves an empty file', async () => {
    const paths = [await file(''), await file(lines(2)), await file('\n')];
    const { text, kinds } = await read(paths);
    expect([text, kinds]).toEqual([lines(2), ['empty', 'empty']]);
    await expect(read(paths, { strict: true })).rejects.toMatchObject({ code: 'DATA' });
  });

  test('lose no line and are in order, in any number and of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(5000), { minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 5 }),
        async (times) => {
          const texts = times.map((list, i) =>
            [...list].sort((x, y) => x - y).map((at) => event(at, `f${i}`, `"pad":"${'p'.repeat(at)}"`)),
          );
          const paths = await Promise.all(texts.map((text) => file(text.join(''))));
          const { text, times: read_ } = await read(paths);
          expect(read_).toEqual(times.flat().sort((x, y) => x - y));
          expect(text.split('\n').sort()).toEqual(texts.flat().join('').split('\n').sort());
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('sources', () => {
  test('that do not exist or are folders are usage errors, before anything is read', async () => {
    const good = await file(lines(2));
    await expect(read([good, join(folder, 'nope')])).rejects.toMatchObject({ code: 'USAGE' });
    await expect(read([good, folder])).rejects.toMatchObject({ code: 'USAGE' });
    await expect(read(['-', '-'])).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('report how many bytes were read', async () => {
    const path = await file(gzipSync(lines(500)));
    let bytes = 0;
    await read(path, { onRead: (count) => (bytes += count) });
    expect(bytes).toBe(gzipSync(lines(500)).length);
  });

  test('on a silent stdin are abandoned when the signal is aborted', async () => {
    const stdin = new Readable({ read: () => undefined });
    stdin.push(lines(2));
    const stopping = new AbortController();
    const got: string[] = [];
    for await (const batch of readRecording(['-'], { stdin, signal: stopping.signal })) {
      got.push(batch.bytes.toString());
      stopping.abort();
    }
    expect(got).toEqual([lines(2)]);
  });
});

describe('the keep option', () => {
  test('chooses lines by the type, time and value of their events', async () => {
    const path = await file(lines(1000));
    const { count, times } = await read(path, {
      keep: ({ frame, receivedAt }) =>
        frame.type === 'device.error' &&
        (frame.value.n as number) === receivedAt &&
        receivedAt % (3 * second) === 0,
    });
    expect(count).toBe(334);
    expect(times[1]).toBe(3 * second);
  });
});
