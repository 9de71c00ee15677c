/**
 * Takes frames as fast as JavaScript can and counts them, without a WebSocket library: shows that a server, not its
 * client, is what is measured. `node raw-sink.mjs URL EVENTS [CONNECTIONS]`: so many events on each connection.
 */
import { connect } from 'node:net';

const [address = '', events, connections = '1'] = process.argv.slice(2);
const url = new URL(address);
let open = Number(connections);
for (let i = 0; i < Number(connections); i++) receive();

function receive() {
  let missing = Number(events);
  /** Bytes of the frame under way that are still to come; a header that is cut is in `rest`. */
  let skip = 0;
  /** @type {Buffer} */
  let rest = Buffer.alloc(0);
  let upgraded = false;
  /** @param {Buffer} chunk */
  const onData = (chunk) => {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    rest = Buffer.alloc(0);
    if (!upgraded) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        rest = bytes;
        return;
      }
      upgraded = true;
      bytes = bytes.subarray(end + 4);
    }
    let at = skip;
    while (at + 4 <= bytes.length) {
      const length = (bytes[at + 1] ?? 0) & 0x7f;
      at += length < 126 ? 2 + length : 4 + bytes.readUInt16BE(at + 2);
      missing--;
    }
    if (at < bytes.length) {
      rest = Buffer.from(bytes.subarray(at));
      skip = 0;
    } else {
      skip = at - bytes.length;
    }
    if (missing <= 0 && skip === 0 && --open === 0) process.stdout.write('done\n');
  };
  const socket = connect(Number(url.port), url.hostname, () => {
    socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
  });
  socket.on('data', onData);
}
