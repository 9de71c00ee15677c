import { describe, expect, it } from 'vitest';
import { encodeFrame, frameHeaderLength, OPCODE_BINARY } from '../../src/core/websocket-frame.js';

describe('frames', () => {
  it.each([
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [0xffff, [0x81, 126, 0xff, 0xff]],
    [0x10000, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('write a payload of %i bytes with the shortest header', (length, header) => {
    const payload = Buffer.alloc(length, 0x61);
    const frame = encodeFrame(payload);
    expect([...frame.subarray(0, header.length)]).toEqual(header);
    expect(frame.subarray(header.length).equals(payload)).toBe(true);
    expect(frameHeaderLength(length)).toBe(header.length);
  });

  it('say whether the payload is binary', () => {
    expect([...encodeFrame(Buffer.from([1]), OPCODE_BINARY)]).toEqual([0x82, 1, 1]);
  });
});
