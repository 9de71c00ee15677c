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
  // URL would take the scheme for the host.
  if (/^(wss?|https?):\/(?!\/)/i.test(trimmed)) return fail('has one slash after its scheme instead of two');
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `ws://${trimmed}`;
  // URL would take the first word of the path for the host.
  if (/^[^:]+:\/\/[/\\]/.test(withScheme)) return fail('names no host');
  if (!URL.canParse(withScheme)) {
    const isBareAddress = /^\w+:\/\/[\da-f]*:[\da-f]*:[\da-f:]*([/?#]|$)/i.test(withScheme);
    return fail(
      'cannot be read',
      isBareAddress ? 'Put an IPv6 address in brackets: ws://[::1]:8000.' : usual,
    );
  }
  const url = new URL(withScheme);
  const scheme = webSocketSchemes[url.protocol];
  if (scheme === undefined) return fail(`has the scheme ${url.protocol} instead of ws, wss, http or https`);
  if (url.username !== '' || url.password !== '') {
    const hint =
      'Leave them out, like wss://opmas.example.org; log in with `opmas-ws auth login`. For a gateway: `headers.Authorization`.';
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

/** Puts an IPv6 address in brackets, as in a URL. */
export function withBrackets(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Makes the host and port of a URL ready for a socket. */
export function targetOf(url: URL): { host: string; port: number } {
  const isSecure = url.protocol === 'wss:' || url.protocol === 'https:';
  return { host: withoutBrackets(url.hostname), port: Number(url.port || (isSecure ? 443 : 80)) };
}

/** Returns whether a host (a name or an address, with or without brackets) is this machine. */
export function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|::1|127(\.\d+){3})$/i.test(withoutBrackets(host));
}

/** A shorter token is not a secret, and its removal would only garble the text. */
const SHORTEST_SECRET = 6;
/** A run of this many characters that also stands in the token counts as a part of it. */
const TELLING_LENGTH = 12;
/** Spellings of one character: percent-encoded (also twice), escaped in JSON (also twice), split over lines. */
const SPELLING = /%(?:25)*([0-9a-f]{2})|\\+u([0-9a-f]{4})|\\+[nrt]|\\+|[\s\S]/gi;
/** The padding of base64, and the rest of a spelling that was cut off. */
const LOOSE_END = /(?:=|%(?:25)*3d)*(?:%(?:25)*[0-9a-f]?(?![^\s…]))?/iy;

/** Removes secrets from a text that others wrote. */
export type Redact = (text: string) => string;

/**
 * Removes a token from a text that others wrote, and each part of it of 12 characters or more: raw, percent-encoded,
 * escaped, base64 and base64url at any place of a longer text, split over lines.
 *
 * @param mark Stands in its place.
 */
export function redactToken(text: string, token: string | undefined, mark = '[token]'): string {
  if (token === undefined || token.length < SHORTEST_SECRET) return text;
  const { characters, starts, ends } = spelledOut(text);
  const isSecret = new Uint8Array(characters.length);
  const whole = Buffer.from(token).toString('base64url');
  const forms = [token, whole, ...[0, 1, 2].map((shift) => base64Form(token, shift))].map(
    (form) => spelledOut(form).characters,
  );
  for (const [length, parts] of partsByLength(forms)) {
    for (let at = 0; at + length <= characters.length; at++) {
      if (parts.has(characters.slice(at, at + length))) isSecret.fill(1, at, at + length);
    }
  }
  let result = '';
  let shown = 0;
  for (let at = 0; at < characters.length; at++) {
    if (isSecret[at] === 0) continue;
    result += text.slice(shown, starts[at]) + mark;
    while (isSecret[at + 1] === 1) at++;
    const end = ends[at] as number;
    LOOSE_END.lastIndex = end;
    shown = LOOSE_END.test(text) ? LOOSE_END.lastIndex : end;
  }
  return result + text.slice(shown);
}

/** The parts of the forms that tell, by their length: a short token has only one, itself. */
function partsByLength(forms: readonly string[]): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>();
  for (const form of forms) {
    const length = Math.min(TELLING_LENGTH, form.length);
    if (length < SHORTEST_SECRET) continue;
    const parts = found.get(length) ?? new Set();
    found.set(length, parts);
    for (let at = 0; at + length <= form.length; at++) parts.add(form.slice(at, at + length));
  }
  return found;
}

/** The base64 of the token, without the characters that depend on what stands around it. */
function base64Form(token: string, shift: number): string {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(token)]);
  const text = bytes.toString('base64url');
  return text.slice([0, 2, 3][shift], bytes.length % 3 === 0 ? undefined : -1);
}

/** Spells a text without encodings, white space and padding, and tells where in the text each character stands. */
function spelledOut(text: string): { characters: string; starts: number[]; ends: number[] } {
  let characters = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: spelling, 1: percent, 2: escaped, index } of text.matchAll(SPELLING)) {
    const code = percent ?? escaped;
    if (code === undefined && (spelling.length > 1 || /[\s=\\]/.test(spelling))) continue;
    const character = code === undefined ? spelling : String.fromCharCode(Number.parseInt(code, 16));
    if (/[\s=]/.test(character)) continue;
    // The two alphabets of base64.
    characters += character === '-' ? '+' : character === '_' ? '/' : character;
    starts.push(index);
    ends.push(index + spelling.length);
  }
  return { characters, starts, ends };
}
