import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** An address that answers no TCP handshake, as behind a firewall that drops packets. Use it with `await using`. */
export interface SilentAddress extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Connections are taken from now on; a client's next packet gets through: a slow link. */
  answer(): void;
}

/** Why there are none; `undefined` where there are. */
export const withoutSilentAddresses: string | undefined =
  process.platform === 'linux' ? undefined : 'only Linux has all of 127.0.0.0/8 and drops handshakes so';

/** Listens, with room for one connection, and then takes none: the worker stands still. */
const SERVER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { host, port, waking } = workerData;
  const server = require('node:net').createServer((socket) => socket.on('error', () => undefined));
  server.listen({ host, port, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(waking, 0, 0);
  });
`;

/** Returns whether a handshake with the port is under way, which has state 2 in the system's table. */
function hasHandshake(port: number): boolean {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')} 02 `;
  return readFileSync('/proc/net/tcp', 'utf8').includes(remote);
}

/**
 * Makes a port of a loopback address silent: nobody takes connections from its queue, and the queue is full. The system
 * drops further handshakes.
 */
export async function startSilentAddress(host: string, port = 0): Promise<SilentAddress> {
  const waking = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(SERVER, { eval: true, workerData: { host, port, waking } });
  const [bound] = (await once(worker, 'message')) as [number];
  const fillers: Socket[] = [];
  let isFull = false;
  while (!isFull && fillers.length < 10) {
    const socket = connect({ host, port: bound });
    socket.on('error', () => undefined);
    fillers.push(socket);
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      // A handshake on the loopback takes less than a millisecond; a busy process may learn of it later.
      delay(50).then(() => hasHandshake(bound)),
    ]);
  }
  return {
    host,
    port: bound,
    answer() {
      Atomics.store(waking, 0, 1);
      Atomics.notify(waking, 0);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}
