/**
 * The load source: a WebSocket server that writes prepared frames in large blocks to each client. `node load-server.mjs
 * EVENTS [RATE]` sends EVENTS events on each connection, RATE a second (0: as fast as they are taken). It sends
 * `{ port }` to its parent, then `{ requestedAt }` and `{ startedAt }` for each connection, and `{ sentAt }` with the
 * times of all events when there is a rate. Times are milliseconds of the machine's monotonic clock.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { createMessages } from '../stream.mjs';
import { monotonicMs } from '../times.mjs';

const events = Number(process.argv[2]);
const rate = Number(process.argv[3] ?? 0);
const EVENTS_PER_BLOCK = 1000;
const BLOCKS_UNDER_WAY = 3;

const frames = createMessages().map(toFrame);
const ring = Buffer.concat(frames);
/** Where each frame begins in the ring. @type {number[]} */
const offsets = [0];
for (const frame of frames) offsets.push((offsets.at(-1) ?? 0) + frame.length);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  let request = '';
  /** @param {Buffer} chunk */
  const onRequest = (chunk) => {
    if (request === '') tell({ requestedAt: monotonicMs() });
    request += chunk.toString('latin1');
    if (!request.includes('\r\n\r\n')) return;
    socket.off('data', onRequest);
    socket.on('data', (frame) => answer(socket, frame));
    socket.write(upgradeResponse(request));
    tell({ startedAt: monotonicMs() });
    if (rate > 0) feedAtRate(socket);
    else feed(socket);
  };
  socket.on('data', onRequest);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  tell({ port: typeof address === 'object' ? address?.port : undefined });
});
process.on('disconnect', () => process.exit());

/** @param {import('node:net').Socket} socket */
function feed(socket) {
  let sent = 0;
  let underWay = 0;
  const next = () => {
    while (underWay < BLOCKS_UNDER_WAY && sent < events) {
      const first = sent % frames.length;
      const count = Math.min(EVENTS_PER_BLOCK, frames.length - first, events - sent);
      sent += count;
      underWay++;
      socket.write(ring.subarray(offsets[first], offsets[first + count]), () => {
        underWay--;
        next();
      });
    }
  };
  next();
}

/** @param {import('node:net').Socket} socket */
function feedAtRate(socket) {
  const start = monotonicMs();
  /** @type {number[]} */
  const sentAt = [];
  const next = () => {
    const now = monotonicMs();
    while (sentAt.length < events && start + (sentAt.length * 1000) / rate <= now) {
      const frame = frames[sentAt.length % frames.length];
      sentAt.push(monotonicMs());
      socket.write(frame ?? '');
    }
    if (sentAt.length < events) setTimeout(next, start + (sentAt.length * 1000) / rate - monotonicMs());
    else tell({ sentAt });
  };
  next();
}

/**
 * Answers pings and closes. A client's frame comes in one piece here.
 *
 * @param {import('node:net').Socket} socket
 * @param {Buffer} frame
 */
function answer(socket, frame) {
  const opcode = (frame[0] ?? 0) & 0x0f;
  if (opcode === 8) socket.end(Buffer.from([0x88, 2, 0x03, 0xe8]));
  if (opcode !== 9) return;
  const length = (frame[1] ?? 0) & 0x7f;
  const mask = frame.subarray(2, 6);
  const payload = frame.subarray(6, 6 + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  socket.write(Buffer.concat([Buffer.from([0x8a, length]), payload]));
}

/** @param {string} request */
function upgradeResponse(request) {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/**
 * Makes a text frame of a server: final, not masked.
 *
 * @param {Buffer} payload
 */
function toFrame(payload) {
  const header =
    payload.length < 126
      ? Buffer.from([0x81, payload.length])
      : Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([header, payload]);
}

/** @param {object} message */
function tell(message) {
  process.send?.(message);
}
