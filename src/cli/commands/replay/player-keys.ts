import { readFileSync } from 'node:fs';
import type { ReplayServer } from '../../../index.js';
import type { Session } from '../../session.js';
import { inputIsTerminal } from '../../terminal/standard-streams.js';

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

const INTERRUPT = '\x03';
const END_OF_INPUT = '\x04';
const QUIT = '\x1c';
const SUSPEND = '\x1a';

/** Reads keys from the terminal; `undefined` when stdin is not a terminal, is read elsewhere, or belongs to another job. */
export function listenToKeys(
  player: Pick<ReplayServer, 'pause' | 'resume' | 'setSpeed' | 'step' | 'status'>,
  session: Session,
  { stdinIsTaken }: { stdinIsTaken: boolean },
): PlayerKeys | undefined {
  if (stdinIsTaken || !inputIsTerminal() || !isForeground()) return undefined;
  const { stdin } = process;
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
  // In raw mode the terminal turns no keys into signals, so `act` does.
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
  // A second signal ends the process at once; the terminal must be restored before.
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
 * Returns true for a foreground job: the system stops a background job that changes the terminal or reads from it.
 * Only Linux tells; elsewhere the answer is always true.
 */
function isForeground(): boolean {
  try {
    // After the name in parentheses: state, parent, process group, session, terminal, the terminal's process group.
    const [, , group, , , owner] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return group === owner;
  } catch {
    return true;
  }
}
