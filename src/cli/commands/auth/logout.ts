import { escapeUnsafe } from '../../../index.js';
import { accountOf } from '../../../internal.js';
import { openCredentialStore } from '../../connection/credential-store.js';
import { chooseServer } from '../../connection/server.js';
import { sourcesBeforeStore } from '../../connection/token-source.js';
import type { TrustOptions } from '../../options/token-options.js';
import type { Session } from '../../session.js';

/** `auth logout`: forgets access and refresh token, wherever they are. */
export async function runLogout(session: Session, options: TrustOptions): Promise<void> {
  const { messages } = session.terminal;
  // Nothing is sent anywhere.
  const server = await chooseServer(session.globals, { ...options, plaintext: true }, process.env);
  const account = accountOf(server.url);
  const store = openCredentialStore(process.env);
  const existed = await store.exclusively(account, () => store.delete(account));
  messages.say(existed ? `Logged out of ${account}.` : `There was no login for ${account}.`);
  if (!existed && store.keychainProblem !== undefined) {
    messages.warn(`the system keychain cannot be used (${escapeUnsafe(store.keychainProblem)})`);
  }
  for (const source of sourcesBeforeStore(server, process.env)) {
    messages.warn(`${escapeUnsafe(source)} still gives a token for it`);
  }
}
