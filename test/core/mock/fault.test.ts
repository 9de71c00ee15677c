import { describe, expect, it } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import { FAULT_EXAMPLES, parseFault } from '../../../src/core/mock/fault.js';

describe('parseFault', () => {
  it.each([
    ['close:1011@30s', { kind: 'close', number: 1011, fromMs: 30_000, toMs: 30_000, lastsMs: 0 }],
    ['close:1005@0s', { kind: 'close', number: 1005, fromMs: 0, toMs: 0, lastsMs: 0 }],
    ['close:4999@1m30s', { kind: 'close', number: 4999, fromMs: 90_000, toMs: 90_000, lastsMs: 0 }],
    ['drop@10s..60s', { kind: 'drop', fromMs: 10_000, toMs: 60_000, lastsMs: 0 }],
    ['refuse:503@5s+20s', { kind: 'refuse', number: 503, fromMs: 5000, toMs: 5000, lastsMs: 20_000 }],
    ['stall@15s+10s', { kind: 'stall', fromMs: 15_000, toMs: 15_000, lastsMs: 10_000 }],
    ['stall@1s..2s+500ms', { kind: 'stall', fromMs: 1000, toMs: 2000, lastsMs: 500 }],
    ['garbage@1.5s', { kind: 'garbage', fromMs: 1500, toMs: 1500, lastsMs: 0 }],
  ])('parses %s', (text, fault) => {
    expect(parseFault(text)).toEqual({ ...fault, text });
  });

  it.each([
    ['', 'cannot be read'],
    ['drop', 'cannot be read'],
    ['drop@10', 'cannot be read'],
    ['drop@-1s', 'cannot be read'],
    ['drop@1e3s', 'cannot be read'],
    ['DROP@1s', 'cannot be read'],
    ['crash@1s', 'unknown kind'],
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
    ['drop@2s..2s', 'not after its start'],
    ['drop@2s..1s', 'not after its start'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseFault(text)).toThrow(OpmasError);
    expect(() => parseFault(text)).toThrow(why);
  });

  it('parses the example of each kind, and names all of them in its hint', () => {
    const examples = FAULT_EXAMPLES.split(', ');
    expect(examples.map((example) => parseFault(example).kind)).toEqual([
      'close',
      'drop',
      'refuse',
      'stall',
      'garbage',
    ]);
    expect(() => parseFault('?')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(FAULT_EXAMPLES) }),
    );
  });
});
