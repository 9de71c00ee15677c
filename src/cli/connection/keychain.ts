import { type ExecFileException, execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { OpmasError } from '../../index.js';
import { parseObject } from '../../internal.js';

/** Request to the child process. */
export interface KeychainRequest {
  operation: 'get' | 'set' | 'delete';
  account: string;
  secret?: string;
}

/** Answer of the child process. */
export interface KeychainAnswer {
  secret?: string | null;
  deleted?: boolean;
  error?: string;
}

/** Thrown when no keychain works; the message is the reason. */
export class KeychainUnavailable extends Error {}

/** Limit for an answer: a keychain may wait forever, for an unlock dialog out of sight or a hung service. */
const LIMIT_MS = 3000;
/** Signals that a terminal sends to the child too, before or after us; they do not mean that the keychain failed. */
const INTERRUPTS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
/** Longest time by which our own signal may come later than the child's. */
const INTERRUPT_DELAY_MS = 50;

/** The program that talks to the keychain. */
const CHILD = fileURLToPath(new URL('./keychain-child.js', import.meta.url));

/**
 * Asks the system keychain, through a child process with a time limit, by default 3 s; a user who has to unlock it needs
 * more. A stored secret is read back; one that is missing or hidden by a locked keychain is absent.
 *
 * @param program Tests use another one.
 * @throws `KeychainUnavailable`, or an `OpmasError` of kind `LOCAL` when a signal interrupts it.
 */
export async function askKeychain(
  request: KeychainRequest,
  limitMs = LIMIT_MS,
  program = CHILD,
): Promise<KeychainAnswer> {
  const output = await runChild(program, JSON.stringify(request), limitMs);
  const answer = parseObject(output) as KeychainAnswer | undefined;
  if (answer === undefined) throw new KeychainUnavailable('it gave no answer');
  if (answer.error === undefined) return answer;
  // The error of keytar's loader lists every path that it tried.
  throw new KeychainUnavailable(answer.error.replace(/(, checked \[|\n).*$/s, ''));
}

/** Runs the child with the request on its stdin; the secret is neither in its arguments nor in its environment. */
function runChild(program: string, input: string, limitMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // Only SIGKILL: the child's main thread can be stuck in native code.
    const options = { timeout: limitMs, killSignal: 'SIGKILL', windowsHide: true } as const;
    const child = execFile(process.execPath, [program], options, (error, output) => {
      process.off('exit', kill);
      if (error === null) resolve(output);
      else if (error.signal != null && INTERRUPTS.includes(error.signal))
        setTimeout(
          reject,
          INTERRUPT_DELAY_MS,
          new OpmasError('LOCAL', `interrupted by ${error.signal} during a request to the system keychain`),
        );
      else reject(new KeychainUnavailable(reasonOf(error, limitMs)));
    });
    // A keychain that hangs must not outlive us.
    const kill = () => void child.kill('SIGKILL');
    process.once('exit', kill);
    // A child that has already exited reports that by its exit code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function reasonOf({ killed, signal, code, message }: ExecFileException, limitMs: number): string {
  if (killed) return `it did not answer in ${limitMs / 1000} s`;
  if (signal != null) return `its process was ended by ${signal}`;
  if (typeof code === 'number') return `its process ended with code ${code}`;
  return `its process cannot be started: ${message}`;
}
