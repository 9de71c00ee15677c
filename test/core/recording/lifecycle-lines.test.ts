import { describe, expect, test } from 'vitest';
import type { ConnectionEvent } from '../../../src/core/recording/connection-event.js';
import { formatLifecycleLine, OpenConnections } from '../../../src/core/recording/encoder.js';
import {
  type LifecycleEntry,
  type LineBatch,
  withoutLifecycleLines,
} from '../../../src/core/recording/format.js';

const at = '2026-11-22T21:50:00.000000Z';
const event = `{"received_at":"${at}","endpoint":"rules","connection":{"state":"open"}}\n`;
const connecting: ConnectionEvent = {
  state: 'connecting',
  attempt: 3,
  url: 'ws://x/',
  recorder: 'opmas-ws/1',
  format: 1,
};

/** A batch of events (text) and lifecycle lines (content). */
function batchOf(...lines: (string | ConnectionEvent)[]): LineBatch {
  let bytes = Buffer.alloc(0);
  const lifecycle: LifecycleEntry[] = [];
  for (const line of lines) {
    const start = bytes.length;
    const isEvent = typeof line === 'string';
    bytes = Buffer.concat([bytes, isEvent ? Buffer.from(line) : formatLifecycleLine(at, 'devices', line)]);
    if (!isEvent) lifecycle.push({ endpoint: 'devices', connection: line, start, end: bytes.length });
  }
  return { bytes, count: lines.length, lifecycle };
}

describe('a batch without its lifecycle lines', () => {
  test('has all events in their order, whatever their members are called', () => {
    const open: ConnectionEvent = { state: 'open' };
    const other = event.replace('rules', 'agents');
    for (const [batch, text, count] of [
      [batchOf(open, event, other, open, open, other, event), event + other + other + event, 4],
      [batchOf(event, open), event, 1],
      [batchOf(open), '', 0],
    ] as const) {
      const { bytes, ...rest } = withoutLifecycleLines(batch);
      expect(bytes.toString()).toBe(text);
      expect(rest).toEqual({ count });
    }
  });

  test('is the same batch when there are none', () => {
    const events = batchOf(event, event);
    expect(withoutLifecycleLines(events)).toBe(events);
    const unmarked = { bytes: Buffer.from(event), count: 1 };
    expect(withoutLifecycleLines(unmarked)).toBe(unmarked);
  });
});

test('a further file begins with the connections that are open', () => {
  const connections = new OpenConnections();
  const continuation = () =>
    connections
      .continuation(at)
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const { endpoint, connection } = JSON.parse(line) as {
          endpoint: string;
          connection: ConnectionEvent;
        };
        expect(connection).toHaveProperty('continued', true);
        return `${endpoint} ${connection.state}`;
      });
  const observe = (endpoint: string, connection: ConnectionEvent) =>
    connections.observe({ endpoint, connection, start: 0, end: 0 });
  expect(continuation()).toEqual([]);
  observe('devices', connecting);
  observe('rules', connecting);
  expect(continuation()).toEqual(['devices connecting', 'rules connecting']);
  observe('devices', { state: 'open' });
  observe('rules', { state: 'refused', status: 503 });
  expect(continuation()).toEqual(['devices connecting', 'devices open', 'rules connecting']);
  observe('devices', { state: 'dropped', count: 1, from: at, to: at });
  expect(continuation()).toContain('devices open');
  observe('devices', { state: 'closed', code: 1006, reason: '' });
  expect(continuation()).toEqual(['devices connecting', 'rules connecting']);
  observe('devices', connecting);
  observe('devices', { state: 'open', gap_since: at });
  expect(continuation()).toEqual(['devices connecting', 'devices open', 'rules connecting']);
  expect(connections.continuation(at).toString()).not.toContain('gap_since');
});
