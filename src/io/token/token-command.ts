import { clearTimeout, setTimeout } from 'node:timers';
import { redactToken } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { checkOptions, each } from '../../core/options.js';
import { shared } from '../clock.js';
import type { Environment } from '../http/proxy-choice.js';
import { type CommandEnd, ProcessGroup } from '../process-group.js';
import { cleanToken, MAX_TOKEN_BYTES, type TokenProvider } from './token.js';

/** The options of {@link tokenFromCommand}. */
export interface TokenCommandOptions {
  /** The time after which the command, with all of its processes, is killed. Default 10 s. */
  timeoutMs?: number | undefined;
  /** Gets each line that the command writes on its stderr, without anything that looks like a token. */
  onStderr?: ((line: string) => void) | undefined;
  /** The name of the command in messages. */
  source: string;
  /** A command that shows it, for messages: `opmas-ws context show lab`. */
  shownBy?: string | undefined;
  /** Environment variables of the command. Default `process.env`. */
  environment?: Environment | undefined;
}

const LIMIT_MS = 10_000;
/** Time to read what a command has printed before it exited. */
const LEFT_OVER_MS = 100;
/** The most of its stderr that is passed on. */
const MAX_STDERR_BYTES = 16 * 1024;

/**
 * Takes the token from a command, like a credential helper. It runs without a shell, for every attempt.
 *
 * @param words The program and its arguments.
 */
export function tokenFromCommand(words: readonly string[], options: TokenCommandOptions): TokenProvider {
  const names = ['timeoutMs', 'onStderr', 'source', 'shownBy', 'environment'] as const;
  checkOptions('tokenFromCommand', options, each(true, ...names));
  /** The result of a renewal, for the attempt that follows it. */
  let fresh: string | undefined;
  let given: string | undefined;
  // Attempts that begin together share one run.
  const run = shared((stopping: AbortSignal | undefined) => runTokenCommand(words, given, options, stopping));
  return {
    source: options.source,
    isNewEachTime: true,
    async token(stopping) {
      const token = fresh ?? (await run(stopping));
      fresh = undefined;
      given = token;
      return token;
    },
    async renew(refused = given, stopping = undefined) {
      const token = await run(stopping);
      fresh = token;
      return token !== refused;
    },
  };
}

/**
 * Runs the command and takes the token from its stdout.
 *
 * @throws {OpmasError} `AUTH` when it cannot be started, fails, takes too long or prints no token. Its output is never
 * shown.
 */
async function runTokenCommand(
  words: readonly string[],
  known: string | undefined,
  options: TokenCommandOptions,
  stopping: AbortSignal | undefined,
): Promise<string> {
  const { source, shownBy } = options;
  const shown = shownBy === undefined ? '' : `; \`${shownBy}\` shows it`;
  const onStderr = (line: string) => options.onStderr?.(withoutTokens(line, known));
  const { output, problem, cause, timedOut } = await run(words, { ...options, onStderr }, stopping);
  if (cause !== undefined) {
    const hint = `Correct the command${shown}. No shell runs it, so give a path.`;
    throw new OpmasError('AUTH', `${source} cannot be started: ${problem}`, { hint, cause });
  }
  const hint = timedOut
    ? `Run the command by hand to see why${shown}, or give it more time: \`timeoutMs\``
    : `Run the command by hand to see why${shown}. It has no terminal: it cannot ask for a password.`;
  if (problem !== undefined) throw new OpmasError('AUTH', `${source} ${problem}`, { hint });
  try {
    return cleanToken(output, `the output of ${source}`);
  } catch (error) {
    throw new OpmasError('AUTH', (error as Error).message, { hint, cause: error });
  }
}

/** The output of a command, and the reason why there is no token in it. */
interface CommandOutput extends Partial<CommandEnd> {
  output: Buffer;
  timedOut?: boolean;
}

/** Runs the command. It has ended when its process exits, even if a child still holds its output. */
function run(
  words: readonly string[],
  { timeoutMs = LIMIT_MS, onStderr, environment = process.env }: TokenCommandOptions,
  stopping: AbortSignal | undefined,
): Promise<CommandOutput> {
  const group = new ProcessGroup(words, { stdio: ['ignore', 'pipe', 'pipe'], environment });
  const { stdout, stderr } = group.child ?? {};
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve) => {
    let isOver = false;
    const end = (how: Omit<CommandOutput, 'output'>, signal: NodeJS.Signals = 'SIGKILL') => {
      if (isOver) return;
      isOver = true;
      clearTimeout(limit);
      stopping?.removeEventListener('abort', onStop);
      group.signal(signal);
      stdout?.destroy();
      stderr?.destroy();
      resolve({ output: Buffer.concat(chunks), ...how });
    };
    const limit = setTimeout(
      () => end({ problem: `did not end in ${timeoutMs / 1000} s and was killed`, timedOut: true }),
      timeoutMs,
    );
    const onStop = () => end({ problem: 'was killed, because its caller stopped' });
    stopping?.addEventListener('abort', onStop, { once: true });
    if (stopping?.aborted) onStop();
    stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      // A token is never that long, and the output may have no end.
      if (length > MAX_TOKEN_BYTES)
        end({ problem: 'prints too much to be a token (over 64 KiB) and was killed' });
    });
    if (stderr) passOn(stderr, (line) => onStderr?.(line));
    const closed = new Promise((resolveClosed) => void group.child?.once('close', resolveClosed));
    void group.exited.then((how) => {
      if (how.cause !== undefined) return end(how);
      void closed.then(() => end(how, 'SIGTERM'));
      // The output of the command is in the pipe; a child that it left behind may hold the pipe open.
      setTimeout(() => end(how, 'SIGTERM'), LEFT_OVER_MS).unref();
    });
  });
}

/** Calls back with each line of a stream, the last one included even without a line feed. */
function passOn(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let left = MAX_STDERR_BYTES;
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    if (left <= 0) return;
    left -= chunk.length;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream.once('end', () => {
    if (rest !== '') onLine(rest);
  });
}

/** The token is not known yet when the command talks about it, so anything with the shape of a token is removed. */
function withoutTokens(line: string, known: string | undefined): string {
  return redactToken(line, known).replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[token]');
}

const blank = /\s/;

/**
 * Splits a command line into words like a shell, without expansions: `'…'` is literal, `"…"` is literal except for
 * `\"` and `\\`, and a backslash outside quotes makes the next character literal.
 *
 * @throws {OpmasError} `USAGE` for an unclosed quote and for a command line without a word.
 */
export function splitCommand(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote !== '') {
      if (character === quote) quote = '';
      else if (quote === '"' && character === '\\' && /["\\]/.test(text[i + 1] ?? '')) word += text[++i]!;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (character === '\\' && i + 1 < text.length) {
      word = (word ?? '') + text[++i]!;
    } else if (blank.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== '') throw new OpmasError('USAGE', `the token command has a ${quote} that is not closed`);
  if (word !== undefined) words.push(word);
  if (words.length === 0 || words[0] === '') throw new OpmasError('USAGE', 'the token command is empty');
  return words;
}
