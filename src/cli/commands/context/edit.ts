import { resolve } from 'node:path';
import { displayUrl, escapeUnsafe, OpmasError, parseBaseUrl } from '../../../index.js';
import { splitCommand } from '../../../internal.js';
import { type Config, changeConfig, checkContextName, contextNamed } from '../../connection/config.js';
import type { Session } from '../../session.js';

export interface AddOptions {
  tokenCommand?: string;
  ca?: string;
  plaintext?: boolean;
  force?: boolean;
}

/** `context add NAME --url URL`. */
export async function addContext(session: Session, name: string, options: AddOptions): Promise<void> {
  const { messages } = session.terminal;
  checkContextName(name);
  if (session.globals.url === undefined) {
    throw new OpmasError('USAGE', 'a context needs a URL', {
      hint: `opmas-ws context add ${name} --url wss://opmas.example.org`,
    });
  }
  const url = parseBaseUrl(session.globals.url);
  const { tokenCommand, ca, plaintext } = options;
  if (tokenCommand !== undefined) splitCommand(tokenCommand);
  const config = await changeConfig((before, contexts) => {
    if (contexts.has(name) && !options.force) {
      throw new OpmasError('USAGE', `there is a context ${name} already`, {
        hint: 'Replace it with --force.',
      });
    }
    const path = ca === undefined ? undefined : resolve(ca);
    contexts.set(name, { url: displayUrl(url), tokenCommand, ca: path, plaintext });
    // The first one is what everybody wants to use.
    return before.contexts.size === 0 ? { current: name } : {};
  });
  warn(session, config);
  const next = config.current === name ? 'It is in use now.' : `Use it: opmas-ws context use ${name}`;
  messages.say(`Context ${name} is ${displayUrl(url)}. ${next}`);
}

/** `context use NAME` and `context use -`. */
export async function useContext(session: Session, name: string): Promise<void> {
  const config = await changeConfig((before) => {
    const wanted = name === '-' ? before.previous : name;
    if (wanted === undefined) throw new OpmasError('USAGE', 'there is no context before this one');
    contextNamed(before, wanted);
    return wanted === before.current ? {} : { current: wanted, previous: before.current };
  });
  warn(session, config);
  const { current = '' } = config;
  session.terminal.messages.say(`Context ${current} is in use: ${contextNamed(config, current).url}`);
}

/** `context remove NAME`. */
export async function removeContext(session: Session, name: string): Promise<void> {
  const { messages } = session.terminal;
  const config = await changeConfig((before, contexts) => {
    contextNamed(before, name);
    contexts.delete(name);
    const keep = (other: string | undefined) => (other === name ? undefined : other);
    return { current: keep(before.current), previous: keep(before.previous) };
  });
  warn(session, config);
  const left = config.current === undefined ? ' None is in use now.' : '';
  messages.say(`Context ${escapeUnsafe(name)} is removed.${left}`);
}

function warn(session: Session, config: Config): void {
  for (const warning of config.warnings) session.terminal.messages.warn(escapeUnsafe(warning));
}
