import { readFile } from 'node:fs/promises';
import {
  DEFAULT_URL,
  noToken,
  OpmasError,
  parseBaseUrl,
  type TokenProvider,
  tokenFromFile,
  tokenFromStream,
  tokenFromText,
} from '../../index.js';
import type { Session } from '../session.js';
import type { Connection, TokenOptions } from '../token-options.js';

/** See `resolveConnection` in `token-options.ts`. */
export async function resolve(
  session: Session,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Connection> {
  const warnings: string[] = [];
  const insecure = options.insecure === true;
  if (insecure)
    warnings.push('TLS certificates are not verified (--insecure): anybody on the way can read the token');
  return {
    url: parseBaseUrl(session.globals.url ?? (environment.OPMAS_URL || DEFAULT_URL)),
    token: chooseToken(session, options, environment),
    ca: options.ca === undefined ? undefined : await readCa(options.ca),
    insecure,
    warnings,
  };
}

function chooseToken(session: Session, options: TokenOptions, environment: NodeJS.ProcessEnv): TokenProvider {
  const onWarning = (text: string) => session.terminal.messages.warn(text);
  const { tokenFile } = options;
  if (options.token === false && tokenFile !== undefined) {
    throw new OpmasError('USAGE', '--no-token and --token-file exclude each other');
  }
  if (options.token === false) return noToken();
  if (tokenFile === '-') return tokenFromStream(process.stdin, '--token-file -');
  if (tokenFile !== undefined) return tokenFromFile(tokenFile, { onWarning });
  if (environment.OPMAS_TOKEN) return tokenFromText(environment.OPMAS_TOKEN, 'OPMAS_TOKEN');
  if (environment.OPMAS_TOKEN_FILE) return tokenFromFile(environment.OPMAS_TOKEN_FILE, { onWarning });
  return {
    source: 'none',
    async token() {
      throw new OpmasError('AUTH', 'there is no token for this server', {
        hint: 'Use --token-file PATH, OPMAS_TOKEN or OPMAS_TOKEN_FILE, or --no-token to connect without one.',
      });
    },
  };
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new OpmasError('USAGE', `--ca ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
