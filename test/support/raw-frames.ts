import { createHash } from 'node:crypto';

/** Parts of a frame; whatever a real server would never send can be asked for. */
export interface FrameParts {
  /** Default true. */
  fin?: boolean;
  /** The three reserved bits, 0 to 7. Default 0. */
  rsv?: number;
  /** Default 1, text. */
  opcode?: number;
  payload?: Buffer | string;
  /** What the header says; default the payload's length. */
  claimedLength?: number | bigint;
  /** A server must not mask. */
  masked?: boolean;
}

/** One frame (RFC 6455, section 5.2), well-formed or not. */
export function frame(parts: FrameParts = {}): Buffer {
  const { fin = true, rsv = 0, opcode = 1, masked = false } = parts;
  const payload = Buffer.from(parts.payload ?? '');
  const claimed = BigInt(parts.claimedLength ?? payload.length);
  const maskBit = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const head = Buffer.alloc(claimed < 126n ? 2 : claimed < 0x10000n ? 4 : 10);
  head[0] = first;
  if (head.length === 2) head[1] = maskBit | Number(claimed);
  else if (head.length === 4) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(Number(claimed), 2);
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(claimed, 2);
  }
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

/** A text message. */
export const text = (payload: string | Buffer): Buffer => frame({ payload });

/** A close frame; without a code its payload is empty (1005). */
export function close(code?: number, reason: string | Buffer = ''): Buffer {
  if (code === undefined) return frame({ opcode: 8 });
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code);
  return frame({ opcode: 8, payload });
}

/** An event as the API sends it, numbered. */
export function event(number: number, type = 'device.status_update'): string {
  return JSON.stringify({ type, subject: `opmas.devices.d${number}`, data: { number } });
}

/** What proves to a client that its upgrade was understood (RFC 6455, section 4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** A frame that a client sent, unmasked. */
export interface ClientFrame {
  opcode: number;
  payload: Buffer;
}

/** Takes whole frames of a client off the front of `bytes`; they must be final ones. */
export function readClientFrames(bytes: Buffer): { frames: ClientFrame[]; rest: Buffer } {
  const frames: ClientFrame[] = [];
  let rest = bytes;
  while (rest.length >= 6) {
    const short = rest[1]! & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (rest.length < 6 + extended) break;
    const length =
      extended === 0 ? short : extended === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    const start = 6 + extended;
    if (rest.length < start + length) break;
    const mask = rest.subarray(start - 4, start);
    const payload = Buffer.from(rest.subarray(start, start + length)).map((byte, i) => byte ^ mask[i % 4]!);
    frames.push({ opcode: rest[0]! & 0x0f, payload: Buffer.from(payload) });
    rest = rest.subarray(start + length);
  }
  return { frames, rest };
}
