import { describe, expect, it } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import { parseFault, repeats } from '../../../src/core/mock/fault.js';

describe('parseFault', () => {
  it.each([
    ['close:1011@30s', { action: { kind: 'close', code: 1011 }, from: 30_000, to: 30_000, lasts: 0 }],
    ['close:1005@0s', { action: { kind: 'close', code: 1005 }, from: 0, to: 0, lasts: 0 }],
    ['close:4999@1m30s', { action: { kind: 'close', code: 4999 }, from: 90_000, to: 90_000, lasts: 0 }],
    ['drop@10s..60s', { action: { kind: 'drop' }, from: 10_000, to: 60_000, lasts: 0 }],
    ['refuse:503@5s+20s', { action: { kind: 'refuse', status: 503 }, from: 5000, to: 5000, lasts: 20_000 }],
    ['stall@15s+10s', { action: { kind: 'stall' }, from: 15_000, to: 15_000, lasts: 10_000 }],
    ['stall@1s..2s+500ms', { action: { kind: 'stall' }, from: 1000, to: 2000, lasts: 500 }],
    ['garbage@1.5s', { action: { kind: 'garbage' }, from: 1500, to: 1500, lasts: 0 }],
  ])('reads %s', (text, fault) => {
    expect(parseFault(text)).toEqual({ ...fault, text });
    expect(repeats(parseFault(text))).toBe(text.includes('..'));
  });

  it.each([
    ['', 'cannot be read'],
    ['drop', 'cannot be read'],
    ['drop@10', 'cannot be read'],
    ['drop@-1s', 'cannot be read'],
    ['drop@1e3s', 'cannot be read'],
    ['DROP@1s', 'cannot be read'],
    ['crash@1s', 'names no fault'],
    ['close@1s', 'no close code'],
    ['close:999@1s', 'no close code'],
    ['close:1006@1s', 'use drop'],
    ['close:1015@1s', 'no close code'],
    ['close:5000@1s', 'no close code'],
    ['refuse@1s+1s', 'no HTTP status'],
    ['refuse:101@1s+1s', 'no HTTP status'],
    ['refuse:503@1s', 'how long'],
    ['stall@1s', 'how long'],
    ['drop:1@1s', 'takes no number'],
    ['drop@1s+1s', 'at once'],
    ['drop@2s..2s', 'does not grow'],
    ['drop@2s..1s', 'does not grow'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseFault(text)).toThrow(OpmasError);
    expect(() => parseFault(text)).toThrow(why);
  });
});
