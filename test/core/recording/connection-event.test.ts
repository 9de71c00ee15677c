import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConnectionEvent } from '../../../src/core/recording/connection-event.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { RecordedAttempts } from '../../../src/core/replay/recorded-attempts.js';
import { RecordingStatistics } from '../../../src/core/statistics/recording-statistics.js';

const STATES = ['connecting', 'refused', 'open', 'closed', 'dropped', 'resting'];
const TEXTS = ['url', 'recorder', 'error', 'gap_since', 'reason', 'from', 'to'];
const NUMBERS = ['attempt', 'format', 'status', 'code', 'count', 'retry_in_ms'];

/** Members that someone may have put into a line: any JSON, `toString` among them. */
const members = fc.dictionary(
  fc.constantFrom(...TEXTS, ...NUMBERS, 'continued'),
  fc.oneof(fc.jsonValue(), fc.constant({ toString: 1 }), fc.integer(), fc.constant(null)),
);

describe('the content of a lifecycle line', () => {
  it('has members of the right types, whatever was in the line', () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATES), members, (state, more) => {
        const read = readConnectionEvent({ ...more, state }) as unknown as Record<string, unknown>;
        expect(read.state).toBe(state);
        if (state === 'resting') return;
        for (const name of TEXTS) if (name in read) expect(read[name]).toBeTypeOf('string');
        for (const name of NUMBERS) if (name in read) expect(read[name]).toSatisfy(Number.isFinite);
      }),
    );
  });

  it('keeps good members', () => {
    for (const state of [
      { state: 'connecting', attempt: 2, url: 'ws://h/', recorder: 'opmas-ws/1', format: 1, continued: true },
      { state: 'refused', status: 403, retry_in_ms: 5 },
      { state: 'refused', error: 'no answer' },
      { state: 'open', gap_since: '2026-11-22T21:50:00.123456Z' },
      { state: 'closed', code: 4001, reason: '"', retry_in_ms: 0 },
      { state: 'dropped', count: 3, from: 'a', to: 'b' },
    ]) {
      expect(readConnectionEvent(state)).toEqual(state);
    }
  });

  it.each([[undefined], [null], [5], ['open'], [{}], [{ state: 5 }]])('is undefined for %j', (value) => {
    expect(readConnectionEvent(value)).toBeUndefined();
  });

  it('of any shape is accepted by statistics and replay scripts', () => {
    const invalid = fc.record({ reason: fc.jsonValue(), text: fc.jsonValue() }, { requiredKeys: [] });
    const ours = fc.oneof(
      fc
        .tuple(fc.constantFrom(...STATES), members)
        .map(([state, more]) => ({ connection: { ...more, state } })),
      invalid.map((frame) => ({ invalid: frame })),
    );
    fc.assert(
      fc.property(fc.array(ours, { maxLength: 5 }), (contents) => {
        const statistics = new RecordingStatistics();
        const attempts = new RecordedAttempts();
        for (const [index, content] of contents.entries()) {
          const stamp = `2026-11-22T21:50:0${index}.123456Z`;
          const text = Buffer.from(JSON.stringify({ received_at: stamp, ...content, endpoint: 'rules' }));
          const line = new LineView();
          line.read(text, 0, text.length);
          statistics.add(line);
          attempts.add('rules', index * 1e6, line.connection);
        }
        attempts.endPass(contents.length * 1e6);
        statistics.finish();
      }),
    );
  });
});
