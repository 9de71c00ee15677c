import { STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Refusal } from './stream-source.js';

/**
 * Turns an upgrade away on its bare socket.
 *
 * @param text Body for people; without it the answer is as bare as the real stack's.
 */
export function refuse(socket: Duplex, refusal: Refusal, text = ''): void {
  if (refusal.kind === 'drop' || refusal.kind === 'reset') {
    if (refusal.kind === 'reset' && socket instanceof Socket) socket.resetAndDestroy();
    else socket.destroy();
    return;
  }
  if (refusal.kind === 'silence') {
    socket.on('end', () => socket.destroy()).resume();
    return;
  }
  const body = text === '' ? '' : `${text}\n`;
  const headers = {
    date: new Date().toUTCString(),
    ...(refusal.status === 426 ? { upgrade: 'websocket' } : {}),
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    ...refusal.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = STATUS_CODES[refusal.status] ?? '';
  socket.end(`HTTP/1.1 ${refusal.status} ${reason}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}
