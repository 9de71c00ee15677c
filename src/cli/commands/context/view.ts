import { escapeUnsafe, OpmasError } from '../../../index.js';
import { escapeUnsafeJson } from '../../../internal.js';
import { type Context, contextNamed, readConfig } from '../../connection/config.js';
import type { Session } from '../../session.js';

interface ViewOptions {
  json?: boolean;
}

/** `context list`. */
export async function listContexts(session: Session, { json }: ViewOptions): Promise<void> {
  const { contexts, current } = await read(session);
  const all = [...contexts];
  if (json) {
    await print(
      session,
      all.map(([name, context]) => describe(name, context, current)),
    );
    return;
  }
  const width = Math.max(0, ...all.map(([name]) => name.length));
  const lines = all.map(([name, { url, tokenCommand }]) => {
    const how = tokenCommand === undefined ? '' : '  (token command)';
    return `${name === current ? '*' : ' '} ${escapeUnsafe(name.padEnd(width))}  ${escapeUnsafe(url)}${how}\n`;
  });
  await session.terminal.out.write(lines.join(''));
  if (all.length === 0) {
    session.terminal.messages.say('There is no context. Make one: opmas-ws context add NAME --url URL');
  }
}

/** `context show [NAME]`. */
export async function showContext(
  session: Session,
  given: string | undefined,
  { json }: ViewOptions,
): Promise<void> {
  const config = await read(session);
  const name = given ?? session.globals.context ?? (process.env.OPMAS_CONTEXT || config.current);
  if (name === undefined) {
    throw new OpmasError('USAGE', 'no context is in use', { hint: 'Choose one: opmas-ws context use NAME' });
  }
  const context = contextNamed(config, name);
  if (json) {
    await print(session, describe(name, context, config.current));
    return;
  }
  const rows: [string, string | undefined][] = [
    ['name', name === config.current ? `${name} (in use)` : name],
    ['url', context.url],
    ['token command', context.tokenCommand],
    ['ca', context.ca],
    ['plaintext', context.plaintext ? 'allowed' : undefined],
    ['configuration', config.path],
  ];
  const lines = rows
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `${label.padEnd(13)} ${escapeUnsafe(value ?? '')}\n`);
  await session.terminal.out.write(lines.join(''));
}

function describe(name: string, context: Context, current: string | undefined) {
  return {
    name,
    url: context.url,
    token_command: context.tokenCommand ?? null,
    ca: context.ca ?? null,
    plaintext: context.plaintext === true,
    current: name === current,
  };
}

async function read(session: Session) {
  const config = await readConfig();
  for (const warning of config.warnings) session.terminal.messages.warn(escapeUnsafe(warning));
  return config;
}

async function print(session: Session, value: unknown): Promise<void> {
  await session.terminal.out.write(`${escapeUnsafeJson(JSON.stringify(value))}\n`);
}
