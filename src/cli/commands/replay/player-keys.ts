import { readFileSync } from 'node:fs';
import type { ReplayServer } from '../../../index.js';
import type { Session } from '../../session.js';

/** Keys of a player that listens to them. */
export interface PlayerKeys {
  readonly hint: string;
  /** Resolves when the user wants it to end. */
  readonly ended: Promise<void>;
  /** Gives the terminal back as it was. */
  stop(): void;
}

const SLOWEST = 1 / 64;
const FASTEST = 1024;

const INTERRUPT = '\x03';
const END_OF_INPUT = '\x04';
const QUIT = '\x1c';
const SUSPEND = '\x1a';

/** Reads keys from the terminal; `undefined` when stdin is none, is read by others, or belongs to another job. */
export function listenToKeys(
  player: Pick<ReplayServer, 'pause' | 'resume' | 'setSpeed' | 'step' | 'status'>,
  session: Session,
  { stdinIsTaken }: { stdinIsTaken: boolean },
): PlayerKeys | undefined {
  const { stdin } = process;
  if (stdinIsTaken || !stdin.isTTY || !isForeground()) return undefined;
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const setRaw = (raw: boolean) => {
    stdin.setRawMode(raw);
    if (raw) stdin.resume();
    else stdin.pause();
  };
  const onKeys = (keys: string) => {
    for (const key of keys) act(key, player, end, setRaw);
  };
  const onContinue = () => {
    if (isForeground()) setRaw(true);
  };
  // In raw mode the terminal makes no signals of keys, so they are made here.
  const stop = () => {
    stdin.off('data', onKeys);
    process.off('SIGCONT', onContinue);
    process.off('exit', stop);
    session.stop.removeEventListener('abort', stop);
    setRaw(false);
  };
  stdin.setEncoding('utf8').on('data', onKeys);
  process.on('SIGCONT', onContinue);
  process.on('exit', stop);
  // A second signal ends the process on the spot; the terminal has to be in order by then.
  session.stop.addEventListener('abort', stop);
  setRaw(true);
  return { hint: 'Keys: space pauses, + - change the speed, . steps, q ends', ended, stop };
}

function act(
  key: string,
  player: Pick<ReplayServer, 'pause' | 'resume' | 'setSpeed' | 'step' | 'status'>,
  end: () => void,
  setRaw: (raw: boolean) => void,
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
    case INTERRUPT:
      process.kill(process.pid, 'SIGINT');
      break;
    case QUIT:
      setRaw(false);
      process.kill(process.pid, 'SIGQUIT');
      break;
    case SUSPEND:
      setRaw(false);
      process.kill(process.pid, 'SIGTSTP');
      break;
  }
}

/**
 * Whether the terminal is ours: a job in the background that changes its mode or reads from it is stopped. Only Linux
 * tells; elsewhere it is taken for granted.
 */
function isForeground(): boolean {
  try {
    // After the name in brackets: state, parent, process group, session, terminal, the terminal's process group.
    const [, , group, , , owner] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return group === owner;
  } catch {
    return true;
  }
}
