import { expect, test } from 'vitest';
import { scheduleRead } from '../../../../src/io/client/connection/read-scheduler.js';

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
