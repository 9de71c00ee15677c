import { resolve } from 'node:path';
import { displayUrl, escapeUnsafe, OpmasError, parseBaseUrl } from '../../index.js';
import { displayProxy, readProxy, ServerRoute, splitCommand } from '../../internal.js';
import type { Command } from '../commander.js';
import {
  type Context,
  changeConfig,
  checkContextName,
  contextNamed,
  readConfig,
} from '../connection/config.js';
import { readPemFiles } from '../connection/pem-files.js';
import { isExposed, READABLE_PASSWORD } from '../connection/server.js';
import {
  addCertificateOptions,
  addWayOptions,
  type CertificateOptions,
  familyOf,
  type WayOptions,
} from '../options/common-options.js';
import { parsePositiveDuration } from '../options/quantity.js';
import { runCommand, type Session } from '../session.js';

/** Options of `context add`. */
interface AddOptions extends WayOptions, CertificateOptions {
  tokenCommand?: string;
  tokenCommandTimeout?: string;
  plaintext?: boolean;
  force?: boolean;
}

/** Option of `context list` and `context show`. */
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
  addCertificateOptions(addWayOptions(add))
    .option('--token-command <cmd>', 'program that prints a token; run without a shell for every attempt')
    .option('--token-command-timeout <t>', 'end that program after this time (default: 10s)')
    .option('--plaintext', 'allow ws:// to another machine, or through a proxy')
    .option('--force', 'replace a context of the same name')
    .addHelpText(
      'after',
      examples(
        'context add home --url ws://localhost:8000',
        'context add office --url wss://opmas.office.example --ca office-ca.pem',
        'context add plant --url wss://opmas.plant.example --proxy socks5h://gate.example',
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
  const url = parseBaseUrl(session.globals.url);
  const { tokenCommand, tokenCommandTimeout, plaintext, proxy } = options;
  if (tokenCommand !== undefined) splitCommand(tokenCommand);
  if (tokenCommandTimeout !== undefined) {
    parsePositiveDuration(tokenCommandTimeout, '--token-command-timeout');
  }
  const family = familyOf(options);
  // A passphrase is asked for when it is needed.
  const { warnings, ...certificates } = await readPemFiles(options, undefined, url, async () => undefined);
  messages.warn(...warnings);
  const way = { proxy, proxySource: '--proxy', family, environment: {} };
  const route = new ServerRoute(url, { ...certificates, ...way });
  isExposed(url, route.proxy, plaintext === true);
  if (route.proxy?.credentials?.password) messages.warn(READABLE_PASSWORD);
  const config = await changeConfig(session.environment, (before, contexts) => {
    if (contexts.has(name) && !options.force) {
      throw new OpmasError('USAGE', `context ${name} already exists`, {
        hint: 'Replace it with --force.',
      });
    }
    const settings = { ...certificatePaths(options), plaintext, proxy, family };
    contexts.set(name, { url: displayUrl(url), tokenCommand, tokenCommandTimeout, ...settings });
    // The first context becomes the current one.
    return before.contexts.size === 0 ? { current: name } : {};
  });
  messages.warn(...config.warnings);
  const next =
    config.current === name ? 'It is the current context.' : `To use it: opmas-ws context use ${name}`;
  messages.say(`Added context ${name} (${displayUrl(url)}). ${next}`);
}

/** Makes the paths absolute, because a context is used in every folder. */
function certificatePaths({ ca, cert, key, keyPassphraseFile }: CertificateOptions): CertificateOptions {
  const paths = Object.entries({ ca, cert, key, keyPassphraseFile }).filter(([, path]) => path !== undefined);
  return Object.fromEntries(paths.map(([name, path]) => [name, resolve(path!)]));
}

/** Makes a context the current one; `-` is the previous one. */
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
    ['token command', context.tokenCommand],
    ['its limit', context.tokenCommandTimeout],
    ['ca', context.ca],
    ['client certificate', context.cert],
    ['its key', context.key],
    ['its passphrase', context.keyPassphraseFile],
    ['plaintext', context.plaintext ? 'allowed' : undefined],
    ['proxy', shownProxy(context)],
    ['addresses', context.family && `IPv${context.family} only`],
    ['configuration', config.path],
  ]);
}

function describe(name: string, context: Context, current: string | undefined) {
  return {
    name,
    url: context.url,
    token_command: context.tokenCommand ?? null,
    ...(context.tokenCommandTimeout && { token_command_timeout: context.tokenCommandTimeout }),
    ca: context.ca ?? null,
    ...(context.cert && { cert: context.cert, key: context.key ?? null }),
    ...(context.keyPassphraseFile && { key_passphrase_file: context.keyPassphraseFile }),
    plaintext: context.plaintext === true,
    ...(context.proxy !== undefined && { proxy: shownProxy(context) }),
    ...(context.family && { family: context.family }),
    current: name === current,
  };
}

/** Shows a proxy without its credentials. */
function shownProxy({ proxy }: Context): string | undefined {
  if (proxy === undefined) return undefined;
  const choice = readProxy(proxy, 'proxy');
  return choice === undefined ? 'none' : displayProxy(choice);
}

async function read(session: Session) {
  const config = await readConfig(session.environment);
  session.terminal.messages.warn(...config.warnings);
  return config;
}
