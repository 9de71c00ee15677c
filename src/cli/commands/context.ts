import { resolve } from 'node:path';
import { displayUrl, escapeUnsafe, OpmasError, parseBaseUrl } from '../../index.js';
import { nameOf, ServerRoute } from '../../internal.js';
import type { Command } from '../commander.js';
import {
  CONTEXT_OPTIONS,
  type Context,
  changeConfig,
  checkContextName,
  contextNamed,
  memberOf,
  readConfig,
} from '../connection/config.js';
import { storedHeader } from '../connection/headers.js';
import { sourcesBeforeStore } from '../connection/resolve-connection.js';
import { checkContext } from '../connection/server.js';
import { addKeptOptions } from '../options/server-options.js';
import { runCommand, type Session } from '../session.js';

interface AddOptions extends Omit<Context, 'url'> {
  force?: boolean;
}

interface JsonOption {
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ opmas-ws context add lab --url wss://opmas.lab.example
  $ opmas-ws context add prod --url wss://opmas.example.org --token-command 'pass show opmas/token'
  $ opmas-ws context use prod
  $ opmas-ws tail --context lab devices`;

/** Configures `context` and its subcommands. */
export function configure(command: Command): void {
  command.addHelpText('after', EXAMPLES);

  const add = command.command('add').argument('<name>').description('name a server');
  addKeptOptions(add, CONTEXT_OPTIONS)
    .option('--force', 'replace a context of the same name')
    .addHelpText(
      'after',
      examples(
        'context add home --url ws://localhost:8000',
        'context add office --url wss://opmas.office.example --ca office-ca.pem',
        'context add plant --url wss://opmas.plant.example --proxy socks5h://gate.example',
        "context add gate --url wss://opmas.gate.example --header 'X-Gate-Key: $GATE_KEY' --token-in header",
      ),
    )
    .action((name: string, options: AddOptions) =>
      runCommand(add, (session) => addContext(session, name, options)),
    );

  const use = command.command('use').argument('<name>', 'a context; - is the previous one');
  use
    .description('make a context the current one')
    .addHelpText('after', examples('context use lab', 'context use -'))
    .action((name: string) => runCommand(use, (session) => useContext(session, name)));

  const remove = command.command('remove').argument('<name>');
  remove
    .description('remove a context; a stored login of its server is kept')
    .addHelpText('after', examples('context remove home', 'context remove office'))
    .action((name: string) => runCommand(remove, (session) => removeContext(session, name)));

  const list = command.command('list').option('--json', 'print one JSON array');
  list
    .description('list the contexts; * is the current one')
    .addHelpText('after', examples('context list', "context list --json | jq -r '.[].name'"))
    .action((options: JsonOption) => runCommand(list, (session) => listContexts(session, options)));

  const show = command.command('show').argument('[name]', 'default: the current one');
  show
    .description('show a context')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('context show', 'context show lab --json | jq -r .url'))
    .action((name: string | undefined, options: JsonOption) =>
      runCommand(show, (session) => showContext(session, name, options)),
    );
}

function examples(...commands: string[]): string {
  return `\nExamples:\n${commands.map((command) => `  $ opmas-ws ${command}`).join('\n')}`;
}

async function addContext(session: Session, name: string, options: AddOptions): Promise<void> {
  const { messages } = session.terminal;
  checkContextName(name);
  if (session.globals.url === undefined) {
    throw new OpmasError('USAGE', 'a context needs a URL', {
      hint: `opmas-ws context add ${name} --url wss://opmas.example.org`,
    });
  }
  const { force, ...settings } = options;
  const url = displayUrl(parseBaseUrl(session.globals.url));
  const context = { ...withWholePaths(settings), url };
  messages.warn(...(await checkContext(context, session.environment)));
  const config = await changeConfig(session.environment, (before, contexts) => {
    if (contexts.has(name) && !force) {
      throw new OpmasError('USAGE', `context ${name} already exists`, {
        hint: 'Replace it with --force.',
      });
    }
    contexts.set(name, context);
    // The first context becomes the current one.
    return before.contexts.size === 0 ? { current: name } : {};
  });
  messages.warn(...config.warnings);
  const next =
    config.current === name ? 'It is the current context.' : `To use it: opmas-ws context use ${name}`;
  messages.say(`Added context ${name} (${url}). ${next}`);
}

/** Makes relative paths absolute, because a context is used in every folder. */
function withWholePaths(settings: Omit<Context, 'url'>): Omit<Context, 'url'> {
  const whole = Object.entries(settings).map(([name, value]) => {
    const { isPath = false } = CONTEXT_OPTIONS[name as keyof typeof settings] ?? {};
    return [name, isPath ? resolve(String(value)) : value];
  });
  const header = settings.header?.map((line) => storedHeader(line, resolve));
  return { ...Object.fromEntries(whole), ...(header && { header }) };
}

async function useContext(session: Session, name: string): Promise<void> {
  const config = await changeConfig(session.environment, (before) => {
    const wanted = name === '-' ? before.previous : name;
    if (wanted === undefined) throw new OpmasError('USAGE', 'no previous context');
    contextNamed(before, wanted);
    return wanted === before.current ? {} : { current: wanted, previous: before.current };
  });
  const { messages } = session.terminal;
  messages.warn(...config.warnings);
  const { current = '' } = config;
  messages.say(`Current context: ${escapeUnsafe(`${current} (${contextNamed(config, current).url})`)}`);
}

async function removeContext(session: Session, name: string): Promise<void> {
  const { messages } = session.terminal;
  const config = await changeConfig(session.environment, (before, contexts) => {
    contextNamed(before, name);
    contexts.delete(name);
    const keep = (other: string | undefined) => (other === name ? undefined : other);
    return { current: keep(before.current), previous: keep(before.previous) };
  });
  messages.warn(...config.warnings);
  const rest = config.current === undefined ? ' No context is current now.' : '';
  messages.say(`Removed context ${escapeUnsafe(name)}.${rest}`);
}

async function listContexts(session: Session, { json }: JsonOption): Promise<void> {
  const { contexts, current } = await read(session);
  const all = [...contexts];
  if (json) {
    await session.terminal.out.writeJson(all.map(([name, context]) => describe(name, context, current)));
    return;
  }
  const width = Math.max(0, ...all.map(([name]) => name.length));
  const lines = all.map(([name, { url, tokenCommand }]) => {
    const how = tokenCommand === undefined ? '' : '  (token command)';
    return `${name === current ? '*' : ' '} ${escapeUnsafe(name.padEnd(width))}  ${escapeUnsafe(url)}${how}\n`;
  });
  await session.terminal.out.write(lines.join(''));
  if (all.length === 0) {
    session.terminal.messages.say('No contexts yet. Add one: opmas-ws context add NAME --url URL');
  }
}

async function showContext(session: Session, given: string | undefined, { json }: JsonOption): Promise<void> {
  const config = await read(session);
  const name = given ?? session.globals.context ?? (session.environment.OPMAS_CONTEXT || config.current);
  if (name === undefined) {
    throw new OpmasError('USAGE', 'no current context', { hint: 'Choose one: opmas-ws context use NAME' });
  }
  const context = contextNamed(config, name);
  if (json) {
    await session.terminal.out.writeJson(describe(name, context, config.current));
    return;
  }
  await session.terminal.out.writeTable([
    ['name', name === config.current ? `${name} (current)` : name],
    ['url', context.url],
    [
      'token',
      sourcesBeforeStore({ context: { ...context, name } }, session.environment)[0] ?? 'the stored login',
    ],
    ...Object.entries(settingsOf(context)).flatMap(([member, value]) =>
      [value].flat().map((one) => [member.replaceAll('_', ' '), one ? String(one) : undefined] as const),
    ),
    ['environment', environmentProxy(context, session.environment)],
    ['configuration', config.path],
  ]);
}

/** Names the proxy that the environment adds to a context, or says why it cannot be used. */
function environmentProxy({ url, proxy }: Context, environment: NodeJS.ProcessEnv): string | undefined {
  if (proxy !== undefined) return undefined;
  try {
    const { proxy: found } = new ServerRoute(parseBaseUrl(url), { environment });
    return found && nameOf(found);
  } catch (error) {
    return (error as Error).message;
  }
}

function describe(name: string, context: Context, current: string | undefined) {
  return {
    name,
    url: context.url,
    ...settingsOf(context),
    current: name === current,
  };
}

/** Its options, by members of the configuration, with sources in place of secrets. */
function settingsOf(context: Context): Record<string, string | boolean | null | string[]> {
  const settings = Object.entries(CONTEXT_OPTIONS).map(([name, option]) => {
    const { flags, isRepeatable, byDefault, show = String } = option;
    const value = context[name as keyof typeof CONTEXT_OPTIONS] ?? byDefault;
    const nothing = isRepeatable ? [] : flags.includes('<') ? null : false;
    const shown = Array.isArray(value) ? value.map(show) : typeof value === 'string' ? show(value) : value;
    return [memberOf(name, option), shown ?? nothing];
  });
  return Object.fromEntries(settings);
}

async function read(session: Session) {
  const config = await readConfig(session.environment);
  session.terminal.messages.warn(...config.warnings);
  return config;
}
