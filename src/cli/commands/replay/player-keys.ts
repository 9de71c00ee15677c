import type { ReplayServer } from '../../../index.js';
import type { Session } from '../../session.js';
import { readKeys } from '../../terminal/raw-keys.js';

/** Keys that control a replay. */
export interface PlayerKeys {
  readonly hint: string;
  /** Resolves when the user ends the replay. */
  readonly ended: Promise<void>;
  /** Restores the terminal. */
  stop(): void;
}

const SLOWEST = 1 / 64;
const FASTEST = 1024;
const END_OF_INPUT = '\x04';

/** Reads keys from the terminal; `undefined` when stdin is not a terminal, is read elsewhere, or belongs to another job. */
export function listenToKeys(
  player: Pick<ReplayServer, 'pause' | 'resume' | 'setSpeed' | 'step' | 'status'>,
  session: Session,
  { stdinIsTaken }: { stdinIsTaken: boolean },
): PlayerKeys | undefined {
  if (stdinIsTaken) return undefined;
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const stop = readKeys(session.stop, (key) => act(key, player, end));
  if (stop === undefined) return undefined;
  return { hint: 'Keys: space pauses, + - change the speed, . steps, q ends', ended, stop };
}

function act(
  key: string,
  player: Pick<ReplayServer, 'pause' | 'resume' | 'setSpeed' | 'step' | 'status'>,
  end: () => void,
): void {
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
      end();
      break;
  }
}
