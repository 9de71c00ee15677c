/** The yardstick: a bare `ws` client that counts and does nothing else. `node count-only.mjs URL EVENTS` */
import WebSocket from 'ws';

const [url = '', events] = process.argv.slice(2);
let missing = Number(events);
const socket = new WebSocket(url, { perMessageDeflate: false });
socket.on('message', () => {
  if (--missing === 0) process.stdout.write('done\n');
});
