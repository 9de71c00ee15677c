import { join } from 'node:path';
import { OpmasError, type ReadOptions } from '../../index.js';
import {
  isStreamAddress,
  type NatsAccess,
  type Outcome,
  parseObject,
  readSecretFile,
} from '../../internal.js';
import { counted } from '../options/quantity.js';
import type { NatsCommandOptions } from '../options/selection.js';
import type { RouteCommandOptions } from '../options/server-options.js';
import type { Session } from '../session.js';
import { passphrasePrompt } from '../terminal/prompt.js';
import { asUsage, readPemFiles } from './pem-files.js';
import { inHome, readPrivateFile } from './private-files.js';

/** A context of the `nats` command, as its file holds it. */
type NatsContext = Readonly<Record<string, unknown>>;

const MAX_BYTES = 64 * 1024;
/** Members of a context that change the way to the server or the login, and that the client here does not know. */
const UNKNOWN_WAYS = ['nsc', 'socks_proxy', 'user_jwt', 'windows_cert_store', 'operator'];

/** How a user names certificates for NATS to a command that has no options for them. */
export const VARIABLES = { ca: 'NATS_CA', cert: 'NATS_CERT and NATS_KEY', plaintext: '' };

/**
 * Returns how to read the streams among the sources; `undefined` when there are none.
 *
 * @param route The options about the way to the server, of a command that has them.
 * @throws {OpmasError} `USAGE`, also for an option of the API that cannot apply.
 */
export async function natsOf(
  session: Session,
  options: NatsCommandOptions,
  sources: readonly string[],
  route?: RouteCommandOptions,
): Promise<ReadOptions['nats']> {
  if (!sources.some(isStreamAddress)) return undefined;
  const { header, tokenIn, proxy, ipv4, ipv6 } = route ?? {};
  const ofApi = { '-H': header, '--token-in': tokenIn, '--proxy': proxy, '-4': ipv4, '-6': ipv6 };
  const [flag] = Object.entries(ofApi).find(([, value]) => value !== undefined) ?? [];
  if (flag !== undefined) {
    throw new OpmasError('USAGE', `${flag} is for the API only, not for a stream of NATS`, {
      hint: 'Leave it out. The options for certificates, --insecure and --plaintext are for both.',
    });
  }
  const access = await resolveNatsAccess(session, options, route);
  return { access: route ? access : { ...access, named: VARIABLES }, prefix: options.subjectPrefix };
}

/**
 * Finds the login at a NATS server: the file of the option, else the context of the `nats` command, else the variables
 * that it reads, too.
 *
 * @param route Certificates that the user named; they come before those of the context.
 * @throws {OpmasError} `USAGE` when a file or a context cannot be used.
 */
export async function resolveNatsAccess(
  session: Session,
  options: NatsCommandOptions,
  route: RouteCommandOptions = {},
): Promise<NatsAccess> {
  const { environment } = session;
  const { messages } = session.terminal;
  const name = options.natsContext ?? (environment.NATS_CONTEXT || undefined);
  const context = name === undefined ? environmentContext(environment) : await readContext(name, environment);
  const source = name === undefined ? undefined : `the context ${name}`;
  const pathOf = (member: string) => expanded(textOf(context, member), environment);
  let renew: NatsAccess['renew'];
  const secretIn = async (member: 'creds' | 'nkey', path: string | undefined, what: string) => {
    if (path === undefined) return undefined;
    const read = () => readSecretFile(path, what, MAX_BYTES);
    const { bytes, once, warning } = await read().catch(asUsage);
    if (warning !== undefined) messages.warn(warning);
    if (!once) renew = async () => ({ [member]: (await read()).bytes.toString('utf8') });
    return bytes.toString('utf8');
  };
  const credsPath = options.natsCreds ?? pathOf('creds');
  const credsName =
    options.natsCreds === undefined
      ? `the credentials of ${source ?? 'NATS_CREDS'}`
      : `--nats-creds ${options.natsCreds}`;
  const creds = await secretIn('creds', credsPath, credsName);
  const nkey =
    creds === undefined
      ? await secretIn('nkey', pathOf('nkey'), `the NKey of ${source ?? 'NATS_NKEY'}`)
      : undefined;
  const kept = { ca: pathOf('ca'), cert: pathOf('cert'), key: pathOf('key') };
  const nameOf = (what: string) =>
    source === undefined ? `NATS_${what.toUpperCase()}` : `the ${what} of ${source}`;
  const { warnings, ...certificates } = await readPemFiles(route, kept, passphrasePrompt(session), nameOf);
  messages.warn(...warnings);
  const has = creds !== undefined || nkey !== undefined;
  const user = has ? undefined : textOf(context, 'user');
  const token = has ? undefined : textOf(context, 'token');
  const password = has ? undefined : textOf(context, 'password');
  if (token === undefined && (user === undefined) !== (password === undefined)) {
    const [given, missing] = user === undefined ? ['password', 'user'] : ['user', 'password'];
    const memberOf = (what: string) => (source === undefined ? nameOf(what) : `a ${what}`);
    throw new OpmasError(
      'USAGE',
      `${source ?? 'the environment'} has ${memberOf(given)}, but not ${memberOf(missing)}`,
    );
  }
  const servers = textOf(context, 'url')
    ?.split(',')
    .map((server) => server.trim());
  const wrong = servers?.find((server) => !/^((nats|tls):\/\/)?[^\s/@]+$/i.test(server) || !canParse(server));
  if (wrong !== undefined) {
    const place = source === undefined ? 'NATS_USER and NATS_PASSWORD' : 'the members user and password';
    const why = wrong.includes('@') ? 'holds a login, which is not used' : 'is not the URL of a server';
    throw new OpmasError('USAGE', `the URL of the server in ${source ?? 'NATS_URL'} ${why}`, {
      hint: `Write it like nats://nats.example.org:4222, and put a login in ${place}.`,
    });
  }
  const isNamed = has || user !== undefined || token !== undefined;
  const variables = ['NATS_CREDS', 'NATS_NKEY', 'NATS_USER', 'NATS_TOKEN'].filter(
    (each) => environment[each],
  );
  return {
    servers,
    creds,
    nkey,
    renew,
    user,
    token,
    password,
    domain: textOf(context, 'jetstream_domain'),
    apiPrefix: textOf(context, 'jetstream_api_prefix'),
    inboxPrefix: textOf(context, 'inbox_prefix'),
    tlsFirst: context.tls_first === true,
    source: isNamed ? (options.natsCreds === undefined ? (source ?? variables[0]) : credsName) : undefined,
    plaintext: route.plaintext,
    insecure: route.insecure,
    environment,
    ...certificates,
  };
}

/** Reads the variables of the `nats` command as a context. */
function environmentContext(environment: NodeJS.ProcessEnv): NatsContext {
  const names = ['url', 'creds', 'nkey', 'user', 'password', 'token', 'ca', 'cert', 'key'];
  return Object.fromEntries(names.map((name) => [name, environment[`NATS_${name.toUpperCase()}`]]));
}

async function readContext(name: string, environment: NodeJS.ProcessEnv): Promise<NatsContext> {
  const fail = (why: string, hint?: string): never => {
    throw new OpmasError('USAGE', `the NATS context ${name}: ${why}`, { hint });
  };
  if (!/^[\w.-]+$/.test(name) || name.startsWith('.')) return fail('this is not the name of a context');
  const folder =
    environment.XDG_CONFIG_HOME || inHome(environment, '.config') || fail('there is no home folder');
  const path = join(folder, 'nats', 'context', `${name}.json`);
  const text = await readPrivateFile(path);
  if (text === undefined) return fail(`there is no ${path}`, 'nats context ls shows the contexts.');
  const context = parseObject(text) ?? fail(`${path} is not a JSON object`);
  const unknown = UNKNOWN_WAYS.filter((member) => textOf(context, member) !== undefined);
  if (unknown.length > 0) {
    return fail(
      `it has ${unknown.join(' and ')}, which opmas-ws does not know`,
      'Use another context, or --nats-creds FILE.',
    );
  }
  return context;
}

/** Files of the `nats` command leave members empty. */
function textOf(context: NatsContext, member: string): string | undefined {
  const value = context[member];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function canParse(server: string): boolean {
  return URL.canParse(server.includes('://') ? server : `nats://${server}`);
}

function expanded(path: string | undefined, environment: NodeJS.ProcessEnv): string | undefined {
  return path?.startsWith('~/') ? (inHome(environment, path.slice(2)) ?? path) : path;
}

/** Says what became of the lines. */
export function reportText(counts: Record<Outcome, number>, to: string): string {
  const { published, alreadyThere, removed, tooLarge } = counts;
  const parts = [`${counted(published, 'line')} published to ${to}`];
  if (alreadyThere > 0) parts.push(`${alreadyThere} were there already`);
  if (removed > 0) parts.push(`${removed} removed from there since`);
  if (tooLarge > 0) parts.push(`${tooLarge} left out: larger than the stream takes`);
  return parts.join(', ');
}
