import { spawn } from 'node:child_process';
import { redactToken } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import type { Environment } from '../http/proxy-choice.js';
import { cleanToken, MAX_TOKEN_BYTES, type TokenProvider } from './token.js';

/** The options of {@link tokenFromCommand}. */
export interface TokenCommandOptions {
  /** The time after which the command is killed. Default 10 s. */
  timeoutMs?: number;
  /** Gets each line that the command writes on its stderr, without anything that looks like a token. */
  onStderr?: (line: string) => void;
  /** The name of the command in messages. */
  source: string;
  /** A command that shows it, for messages: `opmas-ws context show lab`. */
  shownBy?: string;
  /** Environment variables of the command. Default `process.env`. */
  environment?: Environment;
}

const LIMIT_MS = 10_000;
/** The most of its stderr that is passed on. */
const MAX_STDERR_BYTES = 16 * 1024;

/**
 * Takes the token from a command, like a credential helper. It runs without a shell, for every attempt.
 *
 * @param words The program and its arguments.
 */
export function tokenFromCommand(words: readonly string[], options: TokenCommandOptions): TokenProvider {
  /** The result of a renewal, for the attempt that follows it. */
  let fresh: string | undefined;
  let given: string | undefined;
  let running: Promise<string> | undefined;
  const run = () => {
    // Attempts that begin together share one run.
    running ??= runTokenCommand(words, given, options).finally(() => {
      running = undefined;
    });
    return running;
  };
  return {
    source: options.source,
    async token() {
      const token = fresh ?? (await run());
      fresh = undefined;
      given = token;
      return token;
    },
    async renew(refused = given) {
      const token = await run();
      fresh = token;
      return token !== refused;
    },
  };
}

/**
 * Runs the command and takes the token from its stdout.
 *
 * @throws {OpmasError} `USAGE` when it cannot be started; `AUTH` when it fails, takes too long or prints no token. Its
 * output is never shown.
 */
async function runTokenCommand(
  words: readonly string[],
  known: string | undefined,
  { timeoutMs = LIMIT_MS, onStderr, source, shownBy, environment = process.env }: TokenCommandOptions,
): Promise<string> {
  const [program = '', ...rest] = words;
  const shown = shownBy === undefined ? '' : `; \`${shownBy}\` shows it`;
  const child = spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    env: environment,
  });
  const output: Buffer[] = [];
  let length = 0;
  const kill = () => {
    child.kill('SIGKILL');
    // A grandchild may hold the pipes open.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    output.push(chunk);
    // A token is never that long, and the output may have no end.
    if (length > MAX_TOKEN_BYTES) kill();
  });
  if (onStderr) passOn(child.stderr, (line) => onStderr(withoutTokens(line, known)));
  else child.stderr.resume();

  const how = await new Promise<string>((resolve, reject) => {
    const limit = setTimeout(() => {
      kill();
      resolve(`did not end in ${timeoutMs / 1000} s and was killed`);
    }, timeoutMs);
    child.once('error', (cause) => {
      clearTimeout(limit);
      const hint = `Correct the command${shown}. No shell runs it, so give a path.`;
      reject(
        new OpmasError('USAGE', `${source} cannot be started: ${reasonOf(cause, program)}`, { hint, cause }),
      );
    });
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      if (length > MAX_TOKEN_BYTES) resolve('prints too much to be a token (over 64 KiB) and was killed');
      else
        resolve(
          code === 0 ? '' : signal === null ? `failed with exit code ${code}` : `was ended by ${signal}`,
        );
    });
  });
  const hint = `Run the command by hand to see why${shown}.`;
  if (how !== '') throw new OpmasError('AUTH', `${source} ${how}`, { hint });
  try {
    return cleanToken(Buffer.concat(output), `the output of ${source}`);
  } catch (error) {
    throw new OpmasError('AUTH', (error as Error).message, { hint, cause: error });
  }
}

function reasonOf(error: Error, program: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `there is no program ${program}`;
    case 'EACCES':
      return `${program} is not executable`;
    default:
      return error.message;
  }
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
