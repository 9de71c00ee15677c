/**
 * WebSocket frames as a server sends them (RFC 6455, section 5.2): whole messages, unmasked, without extensions. A frame
 * is built once and sent to every client.
 */

/** Opcodes of frames (RFC 6455, section 5.2). */
export const OPCODE_TEXT = 0x1;
export const OPCODE_BINARY = 0x2;

const FINAL = 0x80;
const LONGEST_SHORT_LENGTH = 125;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;

/** Returns the length of the header before a payload, in bytes. */
export function frameHeaderLength(payloadLength: number): number {
  if (payloadLength <= LONGEST_SHORT_LENGTH) return 2;
  return payloadLength <= 0xffff ? 4 : 10;
}

/**
 * Writes the header of a frame.
 *
 * @param target Needs room for {@link frameHeaderLength} bytes from `at` on.
 * @returns The offset after the header, where the payload begins.
 */
export function writeFrameHeader(target: Buffer, at: number, opcode: number, payloadLength: number): number {
  target[at] = FINAL | opcode;
  if (payloadLength <= LONGEST_SHORT_LENGTH) {
    target[at + 1] = payloadLength;
    return at + 2;
  }
  if (payloadLength <= 0xffff) {
    target[at + 1] = LENGTH_IN_16_BITS;
    target[at + 2] = payloadLength >> 8;
    target[at + 3] = payloadLength & 0xff;
    return at + 4;
  }
  target[at + 1] = LENGTH_IN_64_BITS;
  target.writeUInt32BE(Math.floor(payloadLength / 2 ** 32), at + 2);
  return target.writeUInt32BE(payloadLength % 2 ** 32, at + 6);
}

/** Encodes a whole message as one frame. @param opcode Default: text. */
export function encodeFrame(payload: Buffer, opcode: number = OPCODE_TEXT): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderLength(payload.length) + payload.length);
  payload.copy(frame, writeFrameHeader(frame, 0, opcode, payload.length));
  return frame;
}
