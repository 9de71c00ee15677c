import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineView } from '../../../src/core/recording/line-view.js';
import { saysWell, severityOf } from '../../../src/core/severity.js';
import { deviceOf } from '../../../src/core/statistics/device-table.js';

const words = [
  'online',
  'DOWN',
  'critical',
  'degraded',
  'low',
  'resolved',
  'High',
  'x'.repeat(100),
  'ü',
  'err\\u006fr',
];
const names = [
  'device_id',
  'severity',
  'level',
  'status',
  'state',
  'success',
  'previous_status',
  'previous_state',
];
const others = ['statu', 'stat', 'device', 'states', 'Status', '', '__proto__', 'message', 'previous_statu_'];

/** Writes a name or a word as JSON, now and then with an escape that means the same. */
const quoted = (texts: string[]) =>
  fc.tuple(fc.constantFrom(...texts), fc.nat(9)).map(([text, chance]) => {
    if (chance > 0 || text === '' || text.includes('\\')) return `"${text}"`;
    return `"\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}${text.slice(1)}"`;
  });
const space = fc.constantFrom('', '', '', ' ', '\t');

const { value: json } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    quoted(words),
    fc.constantFrom('true', 'false', 'null', '0', '-1.50e2', '12345678901234567890', '""', '[]', '{}'),
    tie('object'),
    fc.array(tie('value'), { maxLength: 2 }).map((items) => `[${items.join(',')}]`),
  ),
  object: objectOf(fc.tuple(quoted([...names, ...others]), tie('value'))),
}));

/** Joins members, which may have the same name, with spaces between the tokens. */
function objectOf(member: fc.Arbitrary<[string, unknown]>, minLength = 0): fc.Arbitrary<string> {
  const spaced = fc
    .tuple(member, space, space)
    .map(([[name, value], a, b]) => `${a}${name}${b}:${a}${value}${b}`);
  return fc.array(spaced, { minLength, maxLength: 6 }).map((members) => `{${members.join(',')}}`);
}

const data = objectOf(fc.tuple(quoted([...names, ...names, ...others]), json));
const types = [
  'device.error',
  'system.alert',
  'rule.triggered',
  'device.status_update',
  `${'long.'.repeat(80)}error`,
];
const event = objectOf(
  fc.oneof(
    fc.tuple(quoted(['data', 'data', 'event', 'dota']), fc.oneof(data, data, json)),
    fc.tuple(quoted(['type']), quoted(types)),
    fc.tuple(quoted(['subject']), quoted(['opmas.devices.ap-7', 'x', 'a.'])),
    fc.tuple(quoted(names), json),
  ) as fc.Arbitrary<[string, unknown]>,
  1,
);

test('severity and device of an event are the same without a parse as with one', () => {
  const line = new LineView({ noteData: true });
  const seen = new Set<string>();
  fc.assert(
    fc.property(event, fc.boolean(), (text, isOurs) => {
      const whole = isOurs
        ? `{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"d",${text.slice(1)}`
        : text;
      const bytes = Buffer.from(whole);
      if (line.read(bytes, 0, bytes.length) !== 'event') return;
      const { type, subject, data } = JSON.parse(line.text()) as Record<string, unknown>;
      const name = typeof type === 'string' ? type : undefined;
      const expected = [
        severityOf(name, data),
        deviceOf(data, typeof subject === 'string' ? subject : undefined),
        saysWell(data),
      ] as const;
      seen.add(expected[0]);
      const { frame } = line;
      const found = [
        severityOf(frame.type, frame.severityMembers),
        deviceOf(frame.deviceMember, frame.subject),
        saysWell(frame.severityMembers),
      ];
      expect(found, whole).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
  expect(seen).toEqual(new Set(['critical', 'error', 'warning', 'recovered', 'normal']));
});
