import { expect, it } from 'vitest';
import { SilenceHints } from '../../../src/cli/stream/silence-hints.js';
import type { LifecycleEvent } from '../../../src/index.js';

const lost = (endpoint: string, reason: string, more: { silentMs?: number; retry_in_ms?: number } = {}) => {
  const { silentMs, retry_in_ms = 100 } = more;
  const connection = { state: 'closed', code: 1006, reason, retry_in_ms } as const;
  return { endpoint, receivedAt: '2026-11-22T21:50:00.000000Z', connection, silentMs } as LifecycleEvent;
};
const dead = (endpoint: string) => lost(endpoint, 'nothing came for 25 s');

it('names --dead-after when a server that answers no pings has been lost a second time, once', () => {
  const hints = new SilenceHints();
  expect(hints.hintAfter(dead('devices'))).toBe(undefined);
  expect(hints.hintAfter(dead('rules'))).toBe(undefined);
  expect(hints.hintAfter(dead('devices'))).toMatch(/answers no pings.*--dead-after/);
  expect(hints.hintAfter(dead('rules'))).toBe(undefined);
  expect(hints.hintAfter(dead('devices'))).toBe(undefined);
});

it('says nothing of pings when the connection ends in another way', () => {
  const hints = new SilenceHints();
  for (let i = 0; i < 4; i++) expect(hints.hintAfter(lost('devices', 'connection reset'))).toBe(undefined);
});
