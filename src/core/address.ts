import { OpmasError } from './errors.js';
import { endpointPath } from './protocol.js';

/** The base URL of the server by default. */
export const DEFAULT_URL = 'ws://localhost:8000';

const webSocketSchemes: Readonly<Record<string, string>> = {
  'ws:': 'ws:',
  'wss:': 'wss:',
  'http:': 'ws:',
  'https:': 'wss:',
};

/**
 * Reads a base URL: takes `http(s)` and `ws(s)`; `host:port` alone means `ws`; a path is kept as a prefix.
 *
 * @returns A `ws:` or `wss:` URL whose path has no slash at its end.
 * @throws {OpmasError} `USAGE`; the message never repeats the text, which may hold a secret.
 */
export function parseBaseUrl(text: string): URL {
  const usual = 'Write it like wss://opmas.example.org or ws://localhost:8000/prefix.';
  const fail = (why: string, hint = usual): never => {
    throw new OpmasError('USAGE', `the server's URL ${why}`, { hint });
  };
  const trimmed = text.trim();
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `ws://${trimmed}`;
  // URL would take the first word of the path for the host.
  if (/^[^:]+:\/\/[/\\]/.test(withScheme)) return fail('names no host');
  if (!URL.canParse(withScheme)) return fail('cannot be read');
  const url = new URL(withScheme);
  const scheme = webSocketSchemes[url.protocol];
  if (scheme === undefined) return fail(`has the scheme ${url.protocol} instead of ws, wss, http or https`);
  if (url.username !== '' || url.password !== '') {
    const hint = 'Leave them out, like wss://opmas.example.org; log in with `opmas-ws auth login`.';
    return fail('holds a user or a password, which is not used', hint);
  }
  if (url.search !== '' || url.hash !== '') return fail('has a query or a fragment; it takes neither');
  if (url.hostname === '') return fail('names no host');
  if (/\/api\/v1\/ws(\/|$)/.test(url.pathname)) {
    const hint = 'Leave out /api/v1/ws and what follows; endpoints are arguments: tail devices.';
    return fail('includes the path of an endpoint', hint);
  }
  if (url.port === '0') return fail('has port 0');
  url.protocol = scheme;
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/** Makes the URL of an endpoint (a name, or a path that begins with `/`) with the token in its query, as the API wants it. */
export function endpointUrl(base: URL, endpoint: string, token?: string): URL {
  const url = new URL(base);
  url.pathname = base.pathname.replace(/\/+$/, '') + endpointPath(endpoint);
  // Not URLSearchParams: it writes a space as `+`, which a server that percent-decodes would keep as it is.
  if (token !== undefined) url.search = `token=${encodeURIComponent(token)}`;
  return url;
}

/** Makes the `http:` or `https:` URL of a path of the API (`/api/v1/auth/login`) below the base URL. */
export function apiUrl(base: URL, path: string): URL {
  const url = new URL(base);
  url.protocol = base.protocol === 'wss:' || base.protocol === 'https:' ? 'https:' : 'http:';
  url.pathname = base.pathname.replace(/\/+$/, '') + path;
  return url;
}

/** Writes a URL for people: scheme, host, port and path; never its user info, query or fragment. */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** Removes the brackets of an IPv6 address: URLs and headers have them, sockets do not. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** Says whether a host (a name or an address, with or without brackets) is this machine. */
export function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|::1|127(\.\d+){3})$/i.test(withoutBrackets(host));
}

/** A shorter token is not a secret, and its removal would only garble the text. */
const SHORTEST_SECRET = 6;
/** This many characters of a token's beginning show that it stands there, whole or cut off. */
const TELLING_LENGTH = 12;

/**
 * Removes a token from a text that others wrote: raw, percent-encoded, base64 and base64url, also where its end is cut
 * off (a close reason holds 123 bytes).
 */
export function redactToken(text: string, token: string | undefined): string {
  if (token === undefined || token.length < SHORTEST_SECRET) return text;
  const bytes = Buffer.from(token);
  const forms = [token, bytes.toString('base64url'), bytes.toString('base64')];
  // Others may write the digits of percent-encoding in lower case; the length stays.
  const upperCased = text.replace(/%[0-9a-f]{2}/g, (digits) => digits.toUpperCase());
  const encoded = encodeURIComponent(token);
  let result = '';
  let at = 0;
  while (at < text.length) {
    const length = Math.max(
      matchLength(upperCased, at, encoded),
      ...forms.map((form) => matchLength(text, at, form)),
    );
    result += length > 0 ? '[token]' : text[at];
    at += Math.max(1, length);
  }
  return result;
}

/** Counts how many characters of a form of the token stand at a place of the text; 0 when too few to tell. */
function matchLength(text: string, at: number, form: string): number {
  if (!text.startsWith(form.slice(0, TELLING_LENGTH), at)) return 0;
  let length = TELLING_LENGTH;
  while (length < form.length && text[at + length] === form[length]) length++;
  return Math.min(length, form.length);
}
