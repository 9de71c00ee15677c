/**
 * WebSocket frames as a server sends them (RFC 6455, section 5.2): whole messages, unmasked, no extension. They are
 * built once and go to every client as they are.
 */

/** Opcodes of frames (RFC 6455, section 5.2). */
export const OPCODE_TEXT = 0x1;
export const OPCODE_BINARY = 0x2;

const FINAL = 0x80;
const LONGEST_SHORT_LENGTH = 125;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;

/** How many bytes stand before a payload of that length. */
export function frameHeaderLength(payloadLength: number): number {
  if (payloadLength <= LONGEST_SHORT_LENGTH) return 2;
  return payloadLength <= 0xffff ? 4 : 10;
}

/**
 * Writes a frame's header into `target` at `at`; the payload goes right behind it.
 *
 * @returns The offset after the header. `target` must have room for {@link frameHeaderLength} bytes.
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

/** One whole message as a frame. */
export function encodeFrame(payload: Buffer, opcode: number = OPCODE_TEXT): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderLength(payload.length) + payload.length);
  payload.copy(frame, writeFrameHeader(frame, 0, opcode, payload.length));
  return frame;
}
