/**
 * A client that takes the stream as fast as it comes and counts its bytes, without a WebSocket library: the limit is
 * then the server, not the client. `node raw-sink.mjs URL EVENTS [CONNECTIONS]` takes EVENTS events on each connection,
 * and prints the milliseconds from the first upgrade to the last byte.
 */
import { connect } from 'node:net';
import { createMessages } from '../stream.mjs';
import { monotonicMs } from '../times.mjs';

const [address = '', events, connections = '1'] = process.argv.slice(2);
const url = new URL(address);
const expected = bytesOf(Number(events));
let open = Number(connections);
/** @type {number | undefined} */
let startedAt;
for (let i = 0; i < Number(connections); i++) receive();

function receive() {
  let missing = expected;
  let head = '';
  /**
   * @param {number} length
   * @param {Uint8Array} buffer
   */
  const onData = (length, buffer) => {
    if (missing === expected && !head.includes('\r\n\r\n')) {
      head += Buffer.from(buffer.subarray(0, length)).toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return true;
      startedAt ??= monotonicMs();
      missing -= head.length - end - 4;
    } else {
      missing -= length;
    }
    if (missing <= 0 && --open === 0) process.stdout.write(`${monotonicMs() - (startedAt ?? 0)}\n`);
    return true;
  };
  const onread = { buffer: Buffer.alloc(256 * 1024), callback: onData };
  const socket = connect({ port: Number(url.port), host: url.hostname, onread }, () => {
    socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
  });
}

/**
 * Returns the number of bytes of the frames of so many events.
 *
 * @param {number} count
 */
function bytesOf(count) {
  const lengths = createMessages().map(({ length }) => length + (length < 126 ? 2 : 4));
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += lengths[i % lengths.length] ?? 0;
  return bytes;
}
