import type { Socket } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { Connection } from '../../../../src/io/client/connection/connection.js';
import { systemClock } from '../../../../src/io/clock.js';
import { ServerRoute } from '../../../../src/io/http/server-route.js';
import { loadWebSocket } from '../../../../src/io/websocket.js';
import { text } from '../../../support/raw-frames.js';
import { RawServer } from '../../../support/raw-server.js';

beforeAll(loadWebSocket);

/** A connection to a server that sends as much as it can; `onBytes` is told of each read. */
function flooded(url: string, onBytes: () => void): Connection {
  const options = {
    upgrade: new ServerRoute(new URL(url), {}).upgrade('devices', undefined),
    clock: systemClock,
    connectTimeoutMs: 10_000,
    deadAfterMs: 10_000,
    heartbeatMs: undefined,
    maxMessageBytes: 1024 * 1024,
  };
  return new Connection(options, { onOpen: () => undefined, onMessage: () => true, onBytes });
}

/** Reads of another connection that are counted. */
const READS = 100;

test('one that is held up and let go again and again does not jump the queue of the others', async () => {
  const block = Buffer.concat(Array.from({ length: 1000 }, () => text('x'.repeat(1000))));
  const server = await RawServer.start();
  const reads = [0, 0, 0];
  let haveAllBegun = false;
  const connections: Connection[] = [];
  const done = new Promise<number[]>((resolve) => {
    for (const i of reads.keys()) {
      const onBytes = () => {
        reads[i]!++;
        // Counted from when all are there: on a busy machine one may have a long start.
        if (!haveAllBegun && reads.every((count) => count > 0)) {
          haveAllBegun = true;
          reads.fill(0);
        }
        // One that jumps the queue reads a hundred times as often as the others.
        if (haveAllBegun && (reads[1] === READS || reads[0] === 10 * READS)) resolve([...reads]);
        // As output does that is ready again: it lets all go on, who waits and who does not.
        connections[0]!.pause();
        connections[0]!.resume();
      };
      connections.push(flooded(server.url, onBytes));
    }
  });
  for (const _ of connections) flood((await server.request()).accept().socket, block);
  const counted = await done;
  for (const connection of connections) connection.close();
  await Promise.all(connections.map(({ ended }) => ended));
  await server.stop();
  // Not more exact: the sender does not fill each socket in time, and a read that is not full waits for no turn.
  expect(counted[0]).toBeLessThan(10 * READS);
});

/** Sends as much as it can. */
function flood(socket: Socket, block: Buffer): void {
  const send = () => {
    while (socket.writable && socket.write(block));
  };
  socket.on('drain', send);
  send();
}
