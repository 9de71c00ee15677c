import { OpmasError } from '../../index.js';
import { type Command, Option } from '../commander.js';
import { parsePositiveDuration } from './quantity.js';

/** Options that every command has. */
export interface GlobalOptions {
  url?: string;
  context?: string;
  color: 'auto' | 'always' | 'never';
  quiet?: boolean;
  debug?: boolean;
}

/** Options about the way to the server. */
export interface WayOptions {
  proxy?: string;
  ipv4?: boolean;
  ipv6?: boolean;
}

/** Paths of PEM files. */
export interface CertificateOptions {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  keyPassphraseFile?: string | undefined;
}

/** Options about the way to the server, and the security of the connection. */
export interface TrustOptions extends WayOptions, CertificateOptions {
  plaintext?: boolean;
  insecure?: boolean;
}

/** Options about the token and the security of the connection. */
export interface TokenOptions extends TrustOptions {
  tokenFile?: string;
  /** Limit for the token command of the context, in milliseconds. */
  tokenCommandTimeout?: number;
  /** False with `--no-token`. */
  token?: boolean;
  /** On commands that have it, this also limits the wait for a token; in milliseconds. */
  connectTimeout?: number;
}

/** Adds `--proxy`, `-4` and `-6` to a command. */
export function addWayOptions(command: Command): Command {
  return command
    .option(
      '--proxy <url>',
      'connect through this proxy: http, https, socks5, socks5h, socks4 or socks4a; `none` connects directly (default: the proxy of the environment)',
    )
    .addOption(new Option('-4, --ipv4', 'connect to IPv4 addresses only').conflicts('ipv6'))
    .option('-6, --ipv6', 'connect to IPv6 addresses only');
}

/** Returns the address family that the options choose; `undefined` = both. */
export function familyOf({ ipv4, ipv6 }: WayOptions): 4 | 6 | undefined {
  return ipv4 ? 4 : ipv6 ? 6 : undefined;
}

/** Adds the options of {@link CertificateOptions} to a command. */
export function addCertificateOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'also trust the CAs in this PEM file')
    .option('--cert <file>', 'show this client certificate, in PEM; the file may also hold its key')
    .option('--key <file>', 'private key of the client certificate, in PEM')
    .option('--key-passphrase-file <file>', 'read the passphrase of the key from this file (default: ask)');
}

/** Adds the options of {@link TrustOptions} to a command. */
export function addTrustOptions(command: Command): Command {
  return addCertificateOptions(addWayOptions(command))
    .option('--plaintext', 'allow ws:// to another machine, or through a proxy')
    .option('--insecure', "do not verify the server's certificate");
}

/** Adds `--token-file`, `--token-command-timeout` and `--no-token` to a command. */
export function addTokenOptions(command: Command): Command {
  return command
    .option(
      '--token-file <path>',
      'read the token from this file for every attempt; - is stdin (env: OPMAS_TOKEN_FILE)',
    )
    .value(
      '--token-command-timeout <t>',
      "end the context's token command after this time (default: as in the context, else 10s)",
      parsePositiveDuration,
    )
    .option('--no-token', 'connect without a token')
    .addOption(rejectedTokenOption());
}

/** Creates a hidden `--token`, which says what to use instead. */
export function rejectedTokenOption(): Option {
  return new Option('--token <value>').hideHelp().argParser(rejectTokenValue);
}

function rejectTokenValue(): never {
  throw new OpmasError('USAGE', '--token is not supported: other users could read it in the process list', {
    hint: 'Use `opmas-ws auth login`, --token-file PATH (- is stdin), OPMAS_TOKEN or OPMAS_TOKEN_FILE.',
  });
}
