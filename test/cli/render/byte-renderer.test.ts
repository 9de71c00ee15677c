import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ByteRenderer } from '../../../src/cli/render/byte-renderer.js';
import { GrowingBytes } from '../../../src/cli/render/growing-bytes.js';
import { lineStyleOf } from '../../../src/cli/render/line-style.js';
import { PlainRenderer } from '../../../src/cli/render/plain-renderer.js';
import { noColors, type Palette, paletteFor } from '../../../src/cli/terminal/palette.js';

let colours: Palette;
beforeAll(async () => {
  colours = await paletteFor({}, 'always');
});

const HEAD = '{"received_at":"2026-11-22T21:50:01.123456Z","endpoint":"devices"';

/** A pair of renderers that see the same lines one after another. */
function pair(width: number | 'full', palette = noColors) {
  const options = { width: width === 'full' ? 80 : width, full: width === 'full', utc: true, palette };
  const fast = new ByteRenderer(lineStyleOf(options));
  const plain = new PlainRenderer(lineStyleOf(options));
  /** The plain way's line; it has to be the fast way's, if that takes the line. Says whether it did. */
  return (frame: string): { text: string; isFast: boolean } => {
    const line = Buffer.from(`${frame === '{}' ? HEAD : `${HEAD},`}${frame.slice(1)}\n`);
    const target = new GrowingBytes();
    target.addText('before');
    const isFast = fast.write(target, line, 0, line.length - 1);
    const text = plain.renderBytes(line, 0, line.length - 1);
    expect(target.taken().toString()).toBe(isFast ? `before${text}` : 'before');
    return { text, isFast };
  };
}

/** What JSON that other programs write looks like: mostly usual; blanks, odd numbers, escapes, names that come twice. */
const key = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.oneof(
      fc.constantFrom(
        'status',
        'state',
        'success',
        'cpu',
        'device_id',
        'type',
        'data',
        'a.b',
        'id',
        'odd name',
      ),
      fc.stringMatching(/^[a-z]{2,5}$/),
    ),
  },
  fc.constantFrom('1', '0', 'k'.repeat(70), '\\u0061', 'ü', 'received_at', '__proto__', '-1', 'x"', ''),
  fc.string({ maxLength: 5 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
const plainValue = fc.oneof(
  {
    weight: 90,
    arbitrary: fc.oneof(
      fc.integer().map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map(String),
      fc.constantFrom('true', 'false', 'null', '"ap-7"', '"online"', '"FAILED"', '""', '"two words"', '{}'),
      fc.constantFrom('0.5', '-0.25', '0.000001', '100', '999999999999999', '41.300000000000004', '1e3'),
      fc.constantFrom('1.0', '-0', '0.10', '1E-7', '0.0000001', '1234567890123456', '"a\\"b"', '"<a=b,c>"'),
      fc.stringMatching(/^[ -!#-[\]-~]{0,12}$/).map((text) => `"${text}"`),
      fc
        .array(fc.constantFrom('x', ' ', '\\"'), { minLength: 80, maxLength: 130 })
        .map((text) => `"${text.join('')}"`),
      fc
        .tuple(fc.integer({ min: 95, max: 105 }), fc.constantFrom('', ' ', ','))
        .map(([length, end]) => `"${'x'.repeat(length)}${end}"`),
    ),
  },
  fc.constantFrom(
    '9007199254740993',
    '1e400',
    '"a\\\\b"',
    '"\\n"',
    '"é"',
    '"漢字"',
    '"\u007f"',
    '"\u202e"',
    '[]',
  ),
  // No JSON at all.
  fc.constantFrom(
    '01',
    '1.',
    '.5',
    '1e',
    '-',
    '+1',
    'nul',
    'truex',
    '"\t"',
    '"',
    '{',
    '{"a"}',
    '{"a":1,}',
    '',
  ),
);
const blank = fc.oneof({ weight: 200, arbitrary: fc.constantFrom('', ' ') }, fc.constantFrom('  ', '\t'));
function objectOf(value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const member = fc
    .tuple(key, blank, value, blank)
    .map(([name, before, inner, after]) => `"${name}"${before}:${after}${inner}`);
  return fc
    .tuple(fc.array(member, { maxLength: 6 }), blank)
    .map(([members, after]) => `{${members.join(`${after},${after}`)}${after}}`);
}
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    { weight: 20, arbitrary: plainValue },
    { weight: 1, arbitrary: objectOf(tie('value')) },
    {
      weight: 1,
      arbitrary: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    },
  ),
}));
const name = fc.oneof(
  fc.constantFrom(
    'device.error',
    'system.alert',
    'device.status_update',
    'a.ap-7',
    'ap-7',
    'x.',
    '',
    '-',
    'ü',
  ),
  fc.string({ maxLength: 30 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
const frame = fc.oneof(
  { weight: 1, arbitrary: objectOf(value) },
  {
    weight: 9,
    arbitrary: fc
      .tuple(
        name,
        name,
        fc.oneof({ weight: 9, arbitrary: objectOf(value) }, value),
        fc.option(objectOf(value), { freq: 3 }),
      )
      .map(([type, subject, data, more]) => {
        const others = more === null || !/^\{\s*"/.test(more) ? '}' : `,${more.slice(1)}`;
        return `{"type":"${type}","subject":"${subject}","data":${data}${others}`;
      }),
  },
);

describe('the fast way gives the line of the plain way', () => {
  it('for any payload, at any width', () => {
    let lines = 0;
    let fast = 0;
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 4 }),
        fc.oneof(fc.constant('full' as const), fc.integer({ min: 70, max: 260 })),
        fc.boolean(),
        (frames, width, isColoured) => {
          const render = pair(width, isColoured ? colours : noColors);
          for (const text of frames) {
            lines++;
            if (render(text).isFast) fast++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    // Else this would have tested nothing.
    expect(fast / lines).toBeGreaterThan(0.15);
    expect(fast / lines).toBeLessThan(0.95);
  });

  it('for each width that cuts a line', () => {
    const data = `{"status":"online","note":"two words","raw":"{\\"a\\":1}","radio":{"channel":36,"x":{}},"cpu":4.50}`;
    const long = `{"message":"${'word '.repeat(30)}","b":"${'x'.repeat(150)}"}`;
    for (let width = 40; width < 320; width++) {
      const render = pair(width, colours);
      render(`{"type":"device.error","subject":"opmas.devices.ap-7","data":${data}}`);
      render(`{"type":"device.error","subject":"opmas.devices.ap-7","data":${long},"seq":1}`);
    }
  });

  it('when ever new names come, and one of them twice', () => {
    const render = pair('full');
    for (let i = 0; i < 3000; i++) {
      const data = `{"k${i}":1,"l${i}":{"m":2},"k${i}":3}`;
      expect(render(`{"type":"t${i}","subject":"s${i}","data":${data}}`).isFast).toBe(false);
      expect(render(`{"type":"t${i}","subject":"s${i}","data":{"a":${i},"k${i}":3}}`).isFast).toBe(true);
    }
    expect(render('{"type":"t","subject":"s","data":{"a":1,"k":2,"a":3}}').isFast).toBe(false);
  });
});

describe('the fast way', () => {
  it.each([
    '{"type":"t","subject":"s","data":{}}',
    '{"type":"t","subject":"s","data":{"status":"up","x":1.5,"y":-3,"ok":true,"none":null}}',
    '{"data":{"a":{"b":{"c":1}},"e":{}},"subject":"s","type":"t"}',
    '{ "type" : "t" , "subject" : "s" , "data" : { "a" : "b c" } }',
    '{"type":"t","subject":"s","data":{"text":"{\\"type\\":1}","f":41.300000000000004},"seq":9}',
  ])('takes %s', (text) => {
    expect(pair('full')(text).isFast).toBe(true);
  });

  it.each([
    '{"type":"t","subject":"s"',
    '{"type":"t","subject":"s","data":{"a":01}}',
    '{"type":"t","subject":"s","type":"u","data":{}}',
    '{"type":"t","subject":"s","data":{"b":1,"7":2}}',
    '{"type":"t","subject":"s","data":{"a":12345678901234567890}}',
    `{"type":"t","subject":"s","data":{${Array.from({ length: 400 }, (_, i) => `"k${i}":1`).join()}}}`,
  ])('leaves %s to the plain way', (text) => {
    expect(pair('full')(text).isFast).toBe(false);
  });
});
