/** Headers that users add to each request. Their values are secrets. */
import { OpmasError } from './errors.js';

/** The longest value, in bytes. Servers refuse longer lines. */
export const MAX_HEADER_BYTES = 16 * 1024;

const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** Headers that a connection sets itself, or that are meant for a proxy. */
const OWN =
  /^(host|connection|upgrade|keep-alive|te|trailer|transfer-encoding|content-length|expect|proxy-.*|sec-websocket-.*)$/i;

/** @throws {OpmasError} `USAGE` when a request cannot have the header. The message never shows the value. */
export function checkHeader(name: string, value: string): void {
  const refuse = (what: string, hint?: string) => new OpmasError('USAGE', what, { hint });
  if (!NAME.test(name)) {
    throw refuse('the name of a header is missing, or has characters that it cannot have');
  }
  if (OWN.test(name)) {
    const login = 'The user and the password of a proxy are a part of its URL: `proxy`.';
    const hint = /^proxy-/i.test(name) ? login : 'Leave it out.';
    throw refuse(`the header ${name} cannot be chosen: the connection sets it`, hint);
  }
  if (/^[\t ]*$/.test(value)) throw refuse(`the header ${name} has no value`);
  if (/(?!\t)\p{Cc}/u.test(value)) {
    throw refuse(`the value of the header ${name} has line breaks or control characters`);
  }
  if (Buffer.byteLength(value) > MAX_HEADER_BYTES)
    throw refuse(`the value of the header ${name} is too long`);
}

/** Lists the secrets in a header: its value, the credentials after a scheme, the password of `Basic`, each cookie. */
export function secretsIn(name: string, value: string): string[] {
  const [, scheme = '', credentials = ''] = /^(\S+) +(.+)$/.exec(value) ?? [];
  const secrets = [value, credentials];
  if (/^basic$/i.test(scheme)) {
    const account = Buffer.from(credentials, 'base64').toString();
    secrets.push(account, account.slice(account.indexOf(':') + 1));
  }
  if (/^cookie$/i.test(name)) {
    secrets.push(...value.split(/; */).map((cookie) => cookie.slice(cookie.indexOf('=') + 1)));
  }
  return secrets;
}
