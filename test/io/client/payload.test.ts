import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { compileFilter } from '../../../src/index.js';
import { text } from '../../support/raw-frames.js';
import type { RawServer } from '../../support/raw-server.js';
import type { Reading } from '../../support/reading.js';
import { test } from '../../support/stage.js';

/** Sends frames and gives the lines of the stream that they became, without lifecycle lines. */
async function lines(server: RawServer, reading: Reading, frames: (string | Buffer)[]): Promise<string[]> {
  (await server.request()).accept(...frames.map(text), text('{"type":"the.end"}'));
  await reading.events.next(({ type }) => type === 'the.end');
  return reading.texts.filter((line) => !/^\{"received_at":"[^"]+","connection":/.test(line)).slice(0, -1);
}

/** An event line that has members named as ours: nested, as the server sent it. */
const nested = /^\{"received_at":"[^"]{27}","endpoint":"devices","event":(\{"received_at".*\})\}$/;
/** The server's own text: the nested event, or the line without what was spliced in. */
const frameOf = (line: string) =>
  nested.exec(line)?.[1] ??
  line.replace(/"received_at":"[^"]{27}","endpoint":"devices"(,(?!\s*\})|(?=\s*\}))/, '');

/** Objects, as texts that a JSON writer of ours would not write. */
const oddObjects = [
  '{}',
  '{ }',
  '{"a":1.0,"b":1e2,"c":-0,"d":12345678901234567890123456789,"e":1E+2}',
  '{"a":1,"a":2,"type":"x","type":"y"}',
  '{"\\u0074ype":"escaped"}',
  '{"type":"a\\/b","data":{"t":"\\ud83d\\ude00 \\ud83d \u2028\u2029 \u007f\u0085"}}',
  ' \t{"type":"a"} \t',
  '{"__proto__":{"a":1},"constructor":null,"data":{"__proto__":[]}}',
  '{"received_at":"mine","endpoint":"mine","connection":{"state":"open"},"invalid":{"text":"x"}}',
  '{"type":1,"subject":null,"data":"text"}',
  '{"type":["device.error"],"subject":{},"data":[]}',
  '{"":"","type":""}',
  `{"type":"${'x'.repeat(10_000)}"}`,
  '{"data":{"created_at":"2026-11-22T10:00:00.123456"}}',
  `{"type":"deep","data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  `{"type":"deep","data":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
];

/** Texts that JSON.parse takes for no object. */
const noObjects: [string, string][] = [
  ['', 'not JSON'],
  [' ', 'not JSON'],
  ['null', 'not a JSON object'],
  ['[]', 'not a JSON object'],
  ['[{"type":"device.error"}]', 'not a JSON object'],
  ['"text"', 'not a JSON object'],
  ['1', 'not a JSON object'],
  ['{"a":NaN}', 'NaN is not JSON'],
  ['{"a":Infinity}', 'Infinity is not JSON'],
  ['{"a":1}{"b":2}', 'not JSON'],
  ['{"a":1,}', 'not JSON'],
  ["{'a':1}", 'not JSON'],
  ['{"a":01}', 'not JSON'],
  ['\ufeff{}', 'not JSON'],
  ['{"a":"\t"}', 'not JSON'],
  ['{"a":"\\x"}', 'not JSON'],
  ['{"a":"\u0000"}', 'not JSON'],
  ['{', 'not JSON'],
  ['['.repeat(100_000), 'not JSON'],
  ['{"a":"line\nbreak"}', 'not JSON'],
];

describe.concurrent('what the server says', () => {
  test('objects go through byte for byte, with two members in front', async ({ serve, read }) => {
    const server = await serve();
    const got = await lines(server, read({ url: server.url }), oddObjects);
    expect(got.map(frameOf)).toEqual(oddObjects);
    for (const line of got) {
      expect(line.trimStart()).toMatch(/^\{"received_at":"[-0-9]{10}T[0-9:.]{15}Z","endpoint":"devices"/);
    }
  });

  test('line breaks between tokens become spaces, and nothing else', async ({ serve, read }) => {
    const server = await serve();
    const got = await lines(server, read({ url: server.url }), ['\n{\r\n\t"type" :\n"a\\n"\r}\n\n', '{\n}']);
    expect(got.map(frameOf)).toEqual([' {  \t"type" : "a\\n" }  ', '{ }']);
  });

  test('a message that is no object becomes an invalid line with its text', async ({ serve, read }) => {
    const server = await serve();
    const frames = noObjects.map(([frame]) => frame);
    const got = (await lines(server, read({ url: server.url }), frames)).map((line) => JSON.parse(line));
    expect(got.map(({ invalid }) => [invalid?.text, invalid?.reason])).toEqual(noObjects);
    for (const line of got) expect(Object.keys(line)).toEqual(['received_at', 'invalid', 'endpoint']);
  });

  test('10^6 levels of nesting do no harm', async ({ serve, read }) => {
    const server = await serve();
    const deep = `{"data":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
    const [line] = await lines(server, read({ url: server.url }), [deep]);
    expect(frameOf(line!) === deep).toBe(true);
  });

  test('a string of 1 MB, 10^5 members and 10^6 elements are complete', async ({ serve, read }) => {
    const server = await serve();
    const big = [
      `{"type":"a","data":"${'ü'.repeat(500_000)}"}`,
      JSON.stringify({ data: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i])) }),
      `{"data":[${'1,'.repeat(999_999)}1]}`,
    ];
    const got = await lines(server, read({ url: server.url }), big);
    expect(got.map(frameOf).every((frame, i) => frame === big[i])).toBe(true);
  });

  test('unknown and wrong types are passed on, and matched as strings only', async ({ serve, read }) => {
    const server = await serve();
    const filter = await compileFilter({ types: ['device.*', 'the.end'] });
    const wanted = ['{"type":"device.not_documented_yet"}', '{"type":"x","type":"device.error","more":1}'];
    const others = ['{"type":["device.error"]}', '{"type":7}', '{}', '{"data":{"type":"device.error"}}'];
    const got = await lines(server, read({ url: server.url, filter }), [...others, ...wanted, ...others]);
    expect(got.map(frameOf)).toEqual(wanted);
  });

  test('any JSON value, as any writer may write it', async ({ serve, read }) => {
    const values = fc.sample(fc.json({ depthSize: 'medium' }), { numRuns: 500, seed: 1 });
    const objects = values.map((value) => `{"type":"a","data":${value}}`);
    const server = await serve();
    const got = await lines(server, read({ url: server.url }), objects);
    expect(got.map(frameOf)).toEqual(objects);
  });
});
