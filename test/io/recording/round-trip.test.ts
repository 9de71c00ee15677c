import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  noToken,
  readRecording,
  serveRecording,
  type TokenProvider,
  tokenFromText,
} from '../../../src/index.js';
import { frame, text } from '../../support/raw-frames.js';
import { recordUntilClose } from '../../support/recordings.js';
import { test } from '../../support/stage.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-round-trip-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A message of a server: text or binary. */
interface Sent {
  payload: Buffer;
  binary: boolean;
}

const record = (url: string, token: TokenProvider, name: string) =>
  recordUntilClose(url, join(folder, name), token);

/** The members of the lines of a recording that any JSON parser sees. */
function membersIn(path: string): { received_at: unknown; endpoint: unknown }[] {
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
}

/** The payloads of a recording in their order. */
async function payloadsOf(path: string): Promise<string[]> {
  const payloads: string[] = [];
  const keep: NonNullable<Parameters<typeof readRecording>[1]>['keep'] = (line) => {
    const payload = line.payload();
    if (payload !== undefined) payloads.push(shown({ payload, binary: line.isBinary }));
    return false;
  };
  for await (const _ of readRecording([path], { keep, strict: true })) throw new Error('nothing is kept');
  return payloads;
}

/** As text, which a test compares faster than bytes. */
function shown({ payload, binary }: Sent): string {
  return `${binary ? 'binary' : 'text'} ${payload.toString('latin1')}`;
}

const word = fc.constantFrom(
  'type',
  'subject',
  'data',
  'received_at',
  'endpoint',
  'connection',
  'invalid',
  'event',
  '__proto__',
);
const scalar = fc.constantFrom(
  ...['{"event":{"endpoint":1}}', '{"received_at":"2026-11-22T21:50:00.000000Z"}', '"agents"'],
  ...['1', '1.0', '-0', '1e400', '12345678901234567890123', 'true', 'null', '""', '"a"', '[]', '{}'],
  ...[
    '"\\ud800"',
    '"\\u2028"',
    '"\u2028\u2029"',
    '"\\u0000\\n"',
    '"\\"\\\\"',
    '"Gerät ☎ 𝄞"',
    '"\u202e\u200b"',
    '"\\/"',
  ],
);
const space = fc.constantFrom('', '', '', ' ', '\t', '\n', '\r\n  ');
const member = fc
  .tuple(space, word, space, space, scalar)
  .map(([a, name, b, c, value]) => `${a}"${name}"${b}:${c}${value}`);
/** Objects as no library writes them: duplicate names, odd numbers, white space anywhere. */
const objectText = fc
  .tuple(space, fc.array(member, { maxLength: 5 }), space)
  .map(([before, members, after]) => `${before}{${members.join(',')}${after}}${before}`);
const brokenText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '{',
    '{"a":}',
    '{"type":"x"',
    '[1,2]',
    '"text"',
    'NaN',
    '{"a":NaN}',
    '{"a":Infinity}',
    '\u0000',
    '\n',
  ),
  fc.constantFrom('{"a":"\n"}', 'null', '{"a":1}}', '{"a":1}{"b":2}', '\ufeff{"a":1}', "{'a':1}", '{"a":01}'),
  fc.string({ unit: 'grapheme' }),
);
const sent = fc.oneof(
  { weight: 6, arbitrary: objectText.map((content) => ({ payload: Buffer.from(content), binary: false })) },
  { weight: 3, arbitrary: brokenText.map((content) => ({ payload: Buffer.from(content), binary: false })) },
  { weight: 2, arbitrary: fc.uint8Array().map((bytes) => ({ payload: Buffer.from(bytes), binary: true })) },
  { weight: 1, arbitrary: fc.json().map((content) => ({ payload: Buffer.from(content), binary: true })) },
);

/** Larger or deeper than the generators make them. */
const large: Sent[] = [
  `{"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
  `${'['.repeat(100_000)}`,
  `{"type":"${'t'.repeat(10_000)}","data":"${'x'.repeat(1_000_000)}"}`,
  `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
].map((content) => ({ payload: Buffer.from(content), binary: false }));

/** The payload as a recording has it: line breaks between the tokens of an object become spaces. */
function written({ payload, binary }: Sent): Sent {
  if (binary) return { payload, binary };
  const content = payload.toString();
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { payload, binary };
  } catch {
    return { payload, binary };
  }
  return { payload: Buffer.from(content.replace(/[\r\n]/g, ' ')), binary };
}

test('a replay of a recording sends the bytes of the server', async ({ serve }) => {
  let rounds = 0;
  const server = await serve({});
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { minLength: 40, maxLength: 120 }), async (generated) => {
      const messages = rounds === 0 ? [...generated, ...large] : generated;
      const name = `${rounds++}`;
      server.onRequest((connection) => {
        connection.accept(
          ...messages.map(({ payload, binary }) => (binary ? frame({ opcode: 2, payload }) : text(payload))),
        );
        connection.close(1000);
      });
      const first = await record(server.url, noToken(), `${name}-first.ndjson.gz`);
      const expected = messages.map((message) => shown(written(message)));
      expect(await payloadsOf(first)).toEqual(expected);
      for (const { received_at, endpoint } of membersIn(first)) {
        expect(received_at).toMatch(/^20\d\d-[\d-]+T[\d:]+\.\d{6}Z$/);
        expect(endpoint).toBe('devices');
      }

      const replay = await serveRecording(first, { port: 0, speed: 'max', exitWhenDone: true });
      const second = await record(
        replay.url,
        tokenFromText(replay.token, 'the replay'),
        `${name}-second.ndjson`,
      );
      await replay.finished;
      await replay.close();
      expect(await payloadsOf(second)).toEqual(expected);
    }),
    { numRuns: 8 },
  );
});
