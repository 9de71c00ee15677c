/**
 * The yardstick: a bare `ws` client that only counts. `node count-only.mjs URL EVENTS` prints the milliseconds from the
 * upgrade to the last event.
 */
import WebSocket from 'ws';
import { monotonicMs } from '../times.mjs';

const [url = '', events] = process.argv.slice(2);
let missing = Number(events);
let startedAt = 0;
const socket = new WebSocket(url, { perMessageDeflate: false });
socket.on('open', () => {
  startedAt = monotonicMs();
});
socket.on('message', () => {
  if (--missing === 0) process.stdout.write(`${monotonicMs() - startedAt}\n`);
});
