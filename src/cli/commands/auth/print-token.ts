import { OpmasError } from '../../../index.js';
import { resolveConnection } from '../../connection/resolve-connection.js';
import type { TokenOptions } from '../../options/token-options.js';
import type { Session } from '../../session.js';

/** `auth token`: prints the token that a connection would use, and nothing else. */
export async function runToken(session: Session, options: TokenOptions): Promise<void> {
  const { token } = await resolveConnection(session, { ...options, plaintext: true });
  const text = await token.token();
  if (text === undefined) throw new OpmasError('USAGE', 'with --no-token there is no token to print');
  await session.terminal.out.write(`${text}\n`);
}
