import { describe, expect, test } from 'vitest';
import { ConnectionMemory } from '../../../src/core/recording/connection-memory.js';
import type { ConnectionState } from '../../../src/core/recording/connection-state.js';
import { findLifecycleLines, withoutLifecycleLines } from '../../../src/core/recording/lifecycle-lines.js';
import { formatLifecycleLine } from '../../../src/core/recording/line.js';

const at = '2026-11-22T21:50:00.000000Z';
const tricky =
  '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"rules","connection":{"state":"open"}}\n';
const event = '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"rules","type":"x"}\n';

function lifecycle(endpoint: string, connection: ConnectionState): string {
  return formatLifecycleLine(at, endpoint, connection).toString();
}
const connecting: ConnectionState = {
  state: 'connecting',
  attempt: 3,
  url: 'ws://x/',
  recorder: 'opmas-ws/1',
  format: 1,
};

describe('lifecycle lines among others', () => {
  const open = lifecycle('devices', { state: 'open' });
  const text = Buffer.from(open + tricky + event + open + open + event + tricky);

  test('are found, and events that look alike are not', () => {
    const found: string[] = [];
    findLifecycleLines(text, ({ start, end }) => found.push(text.toString('utf8', start, end + 1)));
    expect(found).toEqual([open, open, open]);
  });

  test('are taken out', () => {
    expect(withoutLifecycleLines({ bytes: text, count: 7 })).toMatchObject({ count: 4 });
    expect(withoutLifecycleLines({ bytes: text, count: 7 }).bytes.toString()).toBe(
      tricky + event + event + tricky,
    );
    const events = { bytes: Buffer.from(event + tricky), count: 2 };
    expect(withoutLifecycleLines(events)).toBe(events);
    expect(withoutLifecycleLines({ bytes: Buffer.from(open), count: 1 })).toEqual({
      bytes: Buffer.alloc(0),
      count: 0,
    });
  });
});

test('what is open is remembered for the next file', () => {
  const memory = new ConnectionMemory();
  const read = () =>
    memory
      .continuation(at)
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const { endpoint, connection } = JSON.parse(line) as {
          endpoint: string;
          connection: ConnectionState;
        };
        expect(connection).toHaveProperty('continued', true);
        return `${endpoint} ${connection.state}`;
      });
  const say = (...lines: string[]) => memory.observe(Buffer.from(lines.join('')));
  expect(read()).toEqual([]);
  say(lifecycle('devices', connecting), event, lifecycle('rules', connecting), tricky);
  expect(read()).toEqual(['devices connecting', 'rules connecting']);
  say(lifecycle('devices', { state: 'open' }), lifecycle('rules', { state: 'refused', status: 503 }));
  expect(read()).toEqual(['devices connecting', 'devices open', 'rules connecting']);
  say(lifecycle('devices', { state: 'dropped', count: 1, from: at, to: at }));
  expect(read()).toContain('devices open');
  say(lifecycle('devices', { state: 'closed', code: 1006, reason: '' }));
  expect(read()).toEqual(['devices connecting', 'rules connecting']);
  say(lifecycle('devices', connecting), lifecycle('devices', { state: 'open', gap_since: at }));
  expect(read()).toEqual(['devices connecting', 'devices open', 'rules connecting']);
  expect(memory.continuation(at).toString()).not.toContain('gap_since');
});
