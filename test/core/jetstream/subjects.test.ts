import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPrefix,
  coversPrefix,
  encodeToken,
  subjectOf,
  takesSome,
} from '../../../src/core/jetstream/subjects.js';
import { codePoint } from '../../support/code-point.js';

describe('the subject of a line', () => {
  it.each([
    ['event', 'devices', 'opmas.devices.ap-7', 'p.event.devices.opmas.devices.ap-7'],
    ['event', 'device/ap 7', 'a..b', 'p.event.device/ap%207.a.%.b'],
    ['event', '/api/v1.2/x', undefined, 'p.event./api/v1%2E2/x.%'],
    ['event', undefined, '', 'p.event.%.%'],
    ['event', 'rules', '50%.*.>', 'p.event.rules.50%25.%2A.%3E'],
    ['connection', 'devices', 'ignored', 'p.connection.devices'],
    ['invalid', 'system', undefined, 'p.invalid.system'],
  ] as const)('%s of %s with %s', (kind, endpoint, subject, expected) => {
    expect(subjectOf('p', kind, endpoint, subject)).toBe(expected);
  });

  it('has no token that NATS forbids, and tells different texts apart', () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), fc.string({ unit: codePoint }), (one, other) => {
        // The white space of ASCII only: a server takes any other.
        expect(encodeToken(one)).toMatch(/^[^\u0000 \t\n\f\r.*>]+$/);
        expect(encodeToken(one) === encodeToken(other)).toBe(one === other);
      }),
    );
  });

  it('stays below the limit of a server for any event', () => {
    expect(subjectOf('p', 'event', 'devices', 'x'.repeat(5000))).toBe('p.event.devices.%');
    expect(subjectOf('p', 'event', 'devices', 'ä.'.repeat(600))).toBe('p.event.devices.%');
    expect(subjectOf('p', 'event', `/${'x'.repeat(5000)}`, 'a.b')).toBe('p.event.%.a.b');
  });
});

describe('the prefix', () => {
  it.each(['opmas-ws', 'site-7.opmas-ws', 'a', 'opmas2.x'])('may be %s', (prefix) => {
    expect(() => checkPrefix(prefix)).not.toThrow();
  });

  it.each([
    '',
    'opmas',
    'opmas.devices',
    '.a',
    'a..b',
    'a.',
    'a b',
    'a.*',
    'a.>',
    '$JS',
    '_INBOX.x',
    'x'.repeat(300),
  ])('may not be %j', (prefix) => {
    expect(() => checkPrefix(prefix)).toThrow(/^`prefix`/);
  });
});

describe('the subjects of a stream', () => {
  it.each([[['p.>']], [['x', '>']], [['p.event.>', 'p.connection.*', 'p.invalid.*']], [['*.*.>']]])(
    '%j take all lines',
    (patterns) => {
      expect(coversPrefix(patterns, 'p')).toBe(true);
    },
  );

  it.each([
    [['p.event.>'], 'p', true],
    [['>'], 'p.q', true],
    [['*.q.>'], 'p.q', true],
    [['p.>'], 'p.q', true],
    [['p.r.>', 'q.>'], 'p.q', false],
    [['pq.>'], 'p', false],
    [[], 'p', false],
  ])('%j take some below %s: %s', (patterns, prefix, expected) => {
    expect(takesSome(patterns, prefix)).toBe(expected);
  });

  it.each([
    [[]],
    [['p.*']],
    [['p.event.>']],
    [['p.*.*', 'p.event.*.*']],
    [['q.>']],
    [['p.event.devices.>', 'p.*.*']],
  ])('%j do not', (patterns) => {
    expect(coversPrefix(patterns, 'p')).toBe(false);
  });
});
