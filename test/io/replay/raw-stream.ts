import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A close frame with code 1000 and no reason: after it the server waits for the client to hang up. */
const NORMAL_CLOSE = Buffer.from([0x88, 2, 0x03, 0xe8]);

/** One message of a server, with its payload as latin1: `toEqual` takes a thousand times as long for bytes. */
export interface ServerMessage {
  opcode: number;
  payload: string;
}

/** Takes whole frames of a server off the front of `bytes`: final, unmasked ones. Throws at anything else. */
export function readServerFrames(bytes: Buffer): { messages: ServerMessage[]; rest: Buffer } {
  const messages: ServerMessage[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const first = bytes[at]!;
    const short = bytes[at + 1]!;
    if ((first & 0xf0) !== 0x80 || short > 127) throw new Error(`byte ${at} begins no frame of a server`);
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + header > bytes.length) break;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const end = at + header + length;
    if (end > bytes.length) break;
    messages.push({ opcode: first & 0x0f, payload: bytes.toString('latin1', at + header, end) });
    at = end;
  }
  return { messages, rest: bytes.subarray(at) };
}

/** A client on a bare TCP socket: nothing between the server's bytes and the test. */
export class RawStream {
  readonly socket: Socket;
  /** Resolves with all bytes after the handshake when the server has ended the connection. */
  readonly end: Promise<Buffer>;
  #bytes = 0;
  readonly #onBytes: ((bytes: number) => void)[] = [];

  /** @param url Of the stream, its token included. */
  constructor(url: string) {
    const { hostname, port, pathname, search, host } = new URL(url);
    this.socket = connect(Number(port), hostname);
    const key = randomBytes(16).toString('base64');
    const upgrade = [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
    ];
    this.socket.write(`${upgrade.join('\r\n')}\r\n\r\n`);
    const chunks: Buffer[] = [];
    this.socket.on('data', (chunk) => {
      chunks.push(chunk);
      this.#bytes += chunk.length;
      for (const tell of this.#onBytes) tell(this.#bytes);
      if (chunk.subarray(-NORMAL_CLOSE.length).equals(NORMAL_CLOSE)) this.socket.end();
    });
    this.socket.on('error', () => undefined);
    this.end = new Promise((resolve) => {
      this.socket.on('close', () => {
        const all = Buffer.concat(chunks);
        resolve(all.subarray(all.indexOf('\r\n\r\n') + 4));
      });
    });
  }

  /** Stops reading for a while once that number of bytes has come. */
  pauseAt(bytes: number, milliseconds: number): void {
    let hasPaused = false;
    this.#onBytes.push((received) => {
      if (hasPaused || received < bytes) return;
      hasPaused = true;
      this.socket.pause();
      setTimeout(() => this.socket.resume(), milliseconds);
    });
  }
}
