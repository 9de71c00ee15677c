/**
 * The yardstick of the replay: `ws.send` for each client and event, as most servers do. `node ws-send-server.mjs EVENTS`
 * prints a ready line like that of `opmas-ws replay`.
 */
import { WebSocketServer } from 'ws';
import { createMessages } from '../stream.mjs';

const events = Number(process.argv[2]);
const messages = createMessages();
const MOST_BUFFERED = 1024 * 1024;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  console.log(JSON.stringify({ listening: `ws://127.0.0.1:${port}` }));
});
server.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  let sent = 0;
  const next = () => {
    while (sent < events && socket.bufferedAmount < MOST_BUFFERED) {
      const message = messages[sent++ % messages.length] ?? '';
      const isFull = socket.bufferedAmount + message.length >= MOST_BUFFERED;
      socket.send(message, { binary: false }, isFull ? next : undefined);
      if (isFull) return;
    }
  };
  next();
});
