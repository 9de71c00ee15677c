import fc from 'fast-check';
import { codePoint } from '../../support/code-point.js';

/** What JSON.parse has to say about a text: the oracle for all that reads JSON without it. */
export interface Expected {
  verdict: 'object' | 'not JSON' | 'not a JSON object';
  value?: Record<string, unknown>;
  type?: string | undefined;
  subject?: string | undefined;
  hasLineBreaks?: boolean;
  hasOurNames?: boolean;
}

export function expectedOf(bytes: Buffer): Expected {
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { verdict: 'not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { verdict: 'not a JSON object' };
  }
  const members = value as Record<string, unknown>;
  return {
    verdict: 'object',
    value: members,
    type: typeof members.type === 'string' ? members.type : undefined,
    subject: typeof members.subject === 'string' ? members.subject : undefined,
    hasLineBreaks: /[\r\n]/.test(text),
    hasOurNames: ['received_at', 'endpoint', 'event'].some((ours) => Object.hasOwn(members, ours)),
  };
}

/**
 * Whether JSON.parse of newer Nodes (24 and 26 were seen to) may misread the text: a name of one character that is
 * written as an escape is taken for a backslash, when an object with a name of one backslash came before it:
 * `JSON.parse('{"\\\\":0}'); JSON.parse('{"\\"":0}')`. Then it is no oracle.
 */
function isMisreadByNode(text: string): boolean {
  return Number(process.versions.node.split('.')[0]) >= 24 && /"\\(?:u[0-9a-fA-F]{4}|[^u])"\s*:/.test(text);
}

/** How many random cases a property tries: few in the suite, more with `FUZZ_RUNS=500000 npx vitest run …`. */
export const fuzzRuns = Number(process.env.FUZZ_RUNS ?? 2000);

const whiteSpace = fc.constantFrom('', '', '', ' ', '\n', '\r\n', '\t', '  \n ');
const word = fc.constantFrom(
  'true',
  'false',
  'null',
  '{}',
  '[]',
  '""',
  '0',
  '-0',
  '1e5',
  '1.50',
  '-1E-7',
  '1E+2',
);
const stringText = fc.oneof(
  fc.string({ unit: codePoint, maxLength: 12 }).map((text) => JSON.stringify(text)),
  // Longer than what is looked at in one step.
  fc.string({ minLength: 10, maxLength: 70 }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    '"\\u0074ype"',
    '"\\uD83D"',
    '"\\ud83d\\ude00"',
    '"a\\/b"',
    '"ü"',
    '"\u2028"',
    '"\\\\"',
    '"\\""',
  ),
);
const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('"type"', '"subject"', '"data"') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '"\\u0074ype"',
      '"typ\\u0065"',
      '"type\\u0000"',
      '"types"',
      '"typ"',
      '"Type"',
      '""',
      '"__proto__"',
      '"sub\\u006aect"',
      '"subject\\n"',
      '"endpoint"',
      '"endpoin\\u0074"',
      '"received_at"',
      '"event"',
      '"events"',
    ),
  },
  { weight: 1, arbitrary: stringText },
);

const { value: jsonValue } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    word,
    stringText,
    fc.double().map((number) => JSON.stringify(number)),
    fc
      .array(fc.tuple(whiteSpace, tie('value'), whiteSpace), { maxLength: 4 })
      .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(whiteSpace, name, whiteSpace, fc.constant(':'), whiteSpace, tie('value'), whiteSpace), {
      maxLength: 5,
    })
    .map((members) => `{${members.map((member) => member.join('')).join(',')}}`),
}));

/** Text of a JSON object with names, duplicates, escapes and white space that a reader can get wrong. */
export const objectText: fc.Arbitrary<string> = fc
  .tuple(
    whiteSpace,
    fc.array(fc.tuple(whiteSpace, name, whiteSpace, fc.constant(':'), whiteSpace, jsonValue, whiteSpace), {
      maxLength: 6,
    }),
    whiteSpace,
  )
  .map(
    ([before, members, after]) => `${before}{${members.map((member) => member.join('')).join(',')}}${after}`,
  )
  .filter((text) => !isMisreadByNode(text));

/** The same, damaged in up to three places: bytes changed, added, taken away, cut off, no UTF-8 any more. */
export const damagedObject: fc.Arbitrary<Buffer> = fc
  .tuple(
    objectText,
    fc.array(
      fc.record({ at: fc.nat(), byte: damagingByte(), how: fc.constantFrom('set', 'add', 'drop', 'cut') }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  )
  .map(([text, damages]) => {
    let bytes = [...Buffer.from(text)];
    for (const { at, byte, how } of damages) {
      const place = at % (bytes.length + 1);
      if (how === 'set') bytes[place] = byte;
      else if (how === 'add') bytes.splice(place, 0, byte);
      else if (how === 'drop') bytes.splice(place, 1);
      else bytes = bytes.slice(0, place);
    }
    return Buffer.from(bytes);
  })
  .filter((bytes) => !isMisreadByNode(bytes.toString()));

function damagingByte(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(...Buffer.from('{}[]",:\\0123456789.eE+-tfnu \n\r\t\f\v/b')),
    fc.nat({ max: 255 }),
  );
}

/** Any order of tokens: mostly nonsense, near JSON. */
export const tokenSoup: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"type"',
        '"subject"',
        '"',
        ' ',
        '\n',
        '{"type":"a"',
        '}',
      ),
      word,
      fc.constantFrom(
        '-',
        '00',
        '01',
        '1.',
        '.5',
        '1e',
        '+1',
        'tru',
        'nul',
        'NaN',
        'Infinity',
        "'a'",
        '\ufeff',
      ),
    ),
    { maxLength: 12 },
  )
  .map((tokens) => Buffer.from(tokens.join('')));

/** Texts on the edges of the grammar, each alone, as a member's value, as an element and as a name; no white space. */
const edges = String.raw`
  0 -0 1 -1 10 1.0 0.1 1e1 1E1 1e+1 1e-1 0e0 1.5e300 1e400 -1e400 123456789012345678901234567890
  01 -01 00 - +1 .5 5. 1.e1 1e 1e+ 1e- 0x1 1_000 1e1.5 --1 NaN Infinity -Infinity -NaN ٣ １ 1e٣ 0b1 1f -a -.5 1.-5
  true false null True TRUE tru truee nul nulll undefined fals t n f
  "" "a" " "a a" 'a' "\" "\ "\\" "\/" "\b\f\n\r\t" "\a" "\0" "\x41" "\'" "\u" "\u1" "\u12" "\u123" "\u1234" "\u12G4"
  "\u123 "\uabCD" "\U1234" "\u+123" "\u-123" "\ud800" "\udc00" "\ud83d\ude00" "\ud83d\u" "\u0000" "😀" "\😀" "a""b"
  [] [1] [1,2] [1,] [,1] [,] [ ] [[] []] [} {] [1 [1, ["a" [[[1]],[]] [true,false,null,{},[],"",0]
  {} {"a":1} {"a":1,} {,"a":1} {"a"} {"a":} {"a",1} {:1} {1:1} {a:1} {'a':1} {"a"::1} {"a":1,,"b":2} {"a":1}} {{}}
  {"a":{} { } {"a":[} {"a":(1)} {"a":1}{"b":2} {"a":1}x {"a":1}, {null:1} {"a":1;"b":2} {"a"=1} {"":0} {"a":[1}}
  {"a":{"b":{"c":[{"d":[[],{}]}]}}} {"a":[1],"b":{},"c":""} {}//x /**/{} {}# () < , : \ \u0020
`
  .trim()
  .split(/\s+/);

/** The same with white space, with characters that look like it, with control characters. */
const spacedEdges = [
  ...[
    '',
    ' ',
    '\n',
    '\t',
    '\r\n',
    ' {} ',
    '\n{}\r\n',
    '[ ]',
    '{ }',
    '- 1',
    '1 2',
    '[1 2]',
    '"a" "b"',
    '{"a":1} 1',
  ],
  ...[
    '{"a":1 "b":2}',
    '{"a" 1}',
    '//x\n{}',
    '#\n{}',
    '"\\u 123"',
    '"\\ "',
    '"\\\n"',
    'tr ue',
    '1 .5',
    '{"a": 1 , "b":2 }',
  ],
  ...[
    '\f{}',
    '\v{}',
    '\u00a0{}',
    '\u2028{}',
    '\u3000{}',
    '\ufeff{}',
    '{}\ufeff',
    '{}\u0000',
    '\u0000',
    '{\f}',
    '{"a"\v:1}',
  ],
  ...[
    '"\u0000"',
    '"\u0001"',
    '"\u001f"',
    '"\t"',
    '"\n"',
    '"\r"',
    '"\u007f"',
    '"\u0080"',
    '"\u0085"',
    '"\\\u0000"',
  ],
  ...['"\u2028\u2029"', '"\ufeff"', '{"a":\u00a01}'],
];

/** Bytes that are no UTF-8 or another encoding. */
const otherBytes = [
  ...[
    [0xff],
    [0x80],
    [0xc3],
    [0xe2, 0x82],
    [0xf0, 0x9f, 0x98],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xf4, 0x90, 0x80, 0x80],
  ],
  ...[
    [0xfe, 0xff],
    [0xff, 0xfe, 0x7b, 0, 0x7d, 0],
    [0xef, 0xbb, 0xbf],
    [0x5c, 0xff],
    [0xe5, 0x22],
  ],
];

/** Single texts worth a look of their own: what the API's members can look like. */
const documents: string[] = [
  '{"type":"a","subject":"b"}',
  '{"type":"a","type":"b"}',
  '{"type":"a","type":null}',
  '{"type":1,"type":"b"}',
  '{"\\u0074ype":"a"}',
  '{"type":"a","\\u0074\\u0079\\u0070\\u0065":"b"}',
  '{"type":"a","\\u0074ype":{}}',
  '{"data":{"type":"nested"},"type":"top"}',
  '{"type":"top","data":{"type":"nested","subject":"nested"}}',
  '{"data":[{"type":"nested"}]}',
  '[{"type":"a"}]',
  '{"text":"\\"type\\":\\"b\\"","type":"a"}',
  '{"type":"de\\u0076ice.error"}',
  '{"type":"\\ud83d"}',
  '{"type":"a\\\\"}',
  '{"type":"a\\"b"}',
  '{"type":""}',
  '{"type":{"type":"a"}}',
  '{"type":["a"]}',
  '{"__proto__":{"type":"a"}}',
  '{"__proto__":"a","constructor":1}',
  '{ "type" : "a" , "subject" : "b" }',
  '{"type"\n:\r\n"a"}',
  `{"type":"${'x'.repeat(10_000)}"}`,
  '{"type":"é漢字😀"}',
];

export function edgeCases(): Buffer[] {
  const pieces = [...edges, ...spacedEdges].map((text) => Buffer.from(text));
  for (const bytes of otherBytes) pieces.push(Buffer.from(bytes), Buffer.from([0x22, ...bytes, 0x22]));
  const places = ['@', '[@]', '{"type":@}', '{"data":{"a":[@]}}', '{@:1}', '{"type":"a"@}', '@{"type":"a"}'];
  return [
    ...documents.map((text) => Buffer.from(text)),
    ...places.flatMap((place) => pieces.map((piece) => insertInto(place, piece))),
  ];
}

function insertInto(place: string, piece: Buffer): Buffer {
  const [before = '', after = ''] = place.split('@');
  return Buffer.concat([Buffer.from(before), piece, Buffer.from(after)]);
}
