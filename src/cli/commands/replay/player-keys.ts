import type { ReplayServer } from '../../../index.js';

/** The keys of {@link pressKey}, for the user. */
export const KEYS = 'Keys: space pauses, + - change the speed, . steps, q ends';

const SLOWEST = 1 / 64;
const FASTEST = 1024;
const END_OF_INPUT = '\x04';

/** Does to a replay what a key says. */
export function pressKey(key: string, player: ReplayServer): void {
  const { speed, paused } = player.status;
  switch (key) {
    case ' ':
      if (paused) player.resume();
      else player.pause();
      break;
    case '+':
    case '=':
      if (speed !== 'max') player.setSpeed(Math.min(speed * 2, Math.max(FASTEST, speed)));
      break;
    case '-':
      if (speed !== 'max') player.setSpeed(Math.max(speed / 2, Math.min(SLOWEST, speed)));
      break;
    case '.':
      if (!paused) player.pause();
      player.step();
      break;
    case 'q':
    case END_OF_INPUT:
      void player.close();
      break;
  }
}
