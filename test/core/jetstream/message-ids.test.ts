import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type IdKind, idKey, MessageIds } from '../../../src/core/jetstream/message-ids.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { eventLine, numbered } from '../../support/recordings.js';

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

function idsOf(lines: readonly string[], kind: IdKind = 'line', firstNumber = 1): string[] {
  const ids = new MessageIds(kind, hash);
  const view = new LineView();
  return lines.map((line, i) => {
    const bytes = Buffer.from(line);
    expect(view.read(bytes, 0, bytes.length)).toBeDefined();
    return ids.next(view, firstNumber + i);
  });
}

const connection = (at: string) =>
  `{"received_at":"2026-11-22T21:50:0${at}.000000Z","connection":{"state":"open"},"endpoint":"devices"}`;

describe('ids by line', () => {
  it('are the same whenever the same lines are read', () => {
    const lines = [0, 1, 1, 2, 1].map((n) => eventLine(n, numbered(n)));
    expect(idsOf(lines)).toEqual(idsOf(lines));
    expect(new Set(idsOf(lines)).size).toBe(5);
  });

  it('do not depend on where a line of ours stands in its file', () => {
    const lines = [0, 1, 2].map((n) => eventLine(n, numbered(n)));
    expect(idsOf(lines, 'line', 1)).toEqual(idsOf(lines, 'line', 900));
    expect(idsOf(lines).slice(1)).toEqual(idsOf(lines.slice(1)));
  });

  it('tell identical lines without a time apart by their place', () => {
    const line = numbered(1);
    expect(new Set(idsOf([line, line, line])).size).toBe(3);
    expect(idsOf([line, line])).toEqual(idsOf([line, line]));
  });

  it('find repeats among the last ten thousand lines', () => {
    const lines = Array.from({ length: 10_000 }, (_, n) => eventLine(5, numbered(n)));
    expect(new Set(idsOf([...lines, lines[0]!])).size).toBe(10_001);
  });
});

describe('ids by event', () => {
  it('are the same for the same text at the same endpoint, for any recorder and time', () => {
    const [one, later, other] = idsOf(
      [eventLine(0, numbered(1)), eventLine(7, numbered(1)), eventLine(0, numbered(1), 'agents')],
      'event',
    );
    expect(later).toBe(one);
    expect(other).not.toBe(one);
  });

  it('keep the connections of two recorders apart', () => {
    expect(new Set(idsOf([connection('1'), connection('2')], 'event')).size).toBe(2);
  });
});

describe('the number for an id', () => {
  it('tells ids apart, and those of other programs from all of ours', () => {
    const idOf = (n: number) => hash(Buffer.from(String(n)));
    const ids = Array.from({ length: 20_000 }, (_, n) => idOf(n));
    const keys = new Set([...ids, ...ids, `${idOf(1)}-7`, `${idOf(1)}-8`].map(idKey));
    expect(keys.size).toBe(20_002);
    expect(idKey('an id of another program')).toBeUndefined();
  });

  it('has each bit of the id, because a line that is taken for another one is lost', () => {
    const digits = Array.from({ length: 32 }, (_, n) => `${'0'.repeat(n)}1`.padEnd(32, '0'));
    expect(new Set(digits.map(idKey)).size).toBe(32);
  });
});
