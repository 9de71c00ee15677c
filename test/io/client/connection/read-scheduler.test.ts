import { expect, test } from 'vitest';
import { ReadControl, scheduleRead } from '../../../../src/io/client/connection/read-scheduler.js';

/** Counts the turns of the event loop. */
function countTurns(): { readonly turns: number; stop(): void } {
  let turns = 0;
  let next = setImmediate(function turn() {
    turns++;
    next = setImmediate(turn);
  });
  return {
    get turns() {
      return turns;
    },
    stop: () => clearImmediate(next),
  };
}

test('connections that have more to read go on one after another, one in each turn, again and again', async () => {
  const counter = countTurns();
  const order: [name: string, turn: number][] = [];
  await new Promise<void>((resolve) => {
    const flood = (name: string, left: number) => {
      scheduleRead(() => {
        order.push([name, counter.turns]);
        if (order.length === 9) resolve();
        if (left > 1) flood(name, left - 1);
      });
    };
    for (const name of ['a', 'b', 'c']) flood(name, 3);
  });
  counter.stop();
  expect(order.map(([name]) => name).join('')).toBe('abcabcabc');
  expect(new Set(order.map(([, turn]) => turn)).size).toBe(9);
});

/** As much as one read brings. */
const FULL_READ_BYTES = 64 * 1024;
/** So often the event loop reads from one socket before it turns to the next. */
const READS_OF_A_POLL = 32;

/** A socket that always has a full read ready, as none does for certain whose sender has to be given time. */
class FullSocket {
  isFlowing = true;
  reads = 0;
  readonly control = new ReadControl(this);

  pause(): void {
    this.isFlowing = false;
  }

  resume(): void {
    this.isFlowing = true;
  }

  /** Reads as long as it may. */
  poll(onRead: () => void): void {
    for (let i = 0; i < READS_OF_A_POLL && this.isFlowing; i++) {
      this.reads++;
      this.control.afterRead(FULL_READ_BYTES);
      onRead();
    }
  }
}

test('a connection that is held up and let go after each read neither jumps the queue nor loses its turn', async () => {
  const sockets = [new FullSocket(), new FullSocket(), new FullSocket()];
  const total = () => sockets.reduce((sum, { reads }) => sum + reads, 0);
  await new Promise<void>((resolve) => {
    setImmediate(function turn() {
      for (const socket of sockets) {
        socket.poll(() => {
          // As output does that is ready again: it lets all go on, whether or not they wait for their turn.
          sockets[0]!.control.pause();
          sockets[0]!.control.resume();
        });
      }
      if (total() < 300) setImmediate(turn);
      else resolve();
    });
  });
  const reads = sockets.map((socket) => socket.reads);
  expect(Math.max(...reads) - Math.min(...reads), reads.join()).toBeLessThanOrEqual(1);
});
