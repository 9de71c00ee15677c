import { OpmasError } from './errors.js';
import { endpointPath } from './protocol.js';

/** Where the server is when nobody says otherwise. */
export const DEFAULT_URL = 'ws://localhost:8000';

const webSocketSchemes: Readonly<Record<string, string>> = {
  'ws:': 'ws:',
  'wss:': 'wss:',
  'http:': 'ws:',
  'https:': 'wss:',
};

/**
 * Reads a base URL: `http(s)` and `ws(s)` are both taken, `host:port` alone means `ws`; a path is kept as a prefix.
 *
 * @returns A `ws:` or `wss:` URL whose path has no slash at its end.
 * @throws {OpmasError} `USAGE`; the message never repeats the text, which may hold a secret.
 */
export function parseBaseUrl(text: string): URL {
  const fail = (why: string): never => {
    throw new OpmasError('USAGE', `the server's URL ${why}`, {
      hint: 'Write it like wss://opmas.example.org or ws://localhost:8000/prefix.',
    });
  };
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `ws://${text}`;
  if (!URL.canParse(withScheme)) return fail('cannot be read');
  const url = new URL(withScheme);
  const scheme = webSocketSchemes[url.protocol];
  if (scheme === undefined) return fail(`has the scheme ${url.protocol} instead of ws, wss, http or https`);
  if (url.search !== '' || url.hash !== '') return fail('has a query or a fragment; it takes neither');
  if (url.hostname === '') return fail('names no host');
  if (url.port === '0') return fail('has port 0');
  url.protocol = scheme;
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/** The URL of an endpoint (a name, or a path that begins with `/`) with the token in its query, as the API wants it. */
export function endpointUrl(base: URL, endpoint: string, token?: string): URL {
  const url = new URL(base);
  url.pathname = base.pathname.replace(/\/+$/, '') + endpointPath(endpoint);
  // Not URLSearchParams: it writes a space as `+`, which a server that percent-decodes would keep as it is.
  if (token !== undefined) url.search = `token=${encodeURIComponent(token)}`;
  return url;
}

/** The `http:` or `https:` URL of a path of the API (`/api/v1/auth/login`) below the base URL. */
export function apiUrl(base: URL, path: string): URL {
  const url = new URL(base);
  url.protocol = base.protocol === 'wss:' || base.protocol === 'https:' ? 'https:' : 'http:';
  url.pathname = base.pathname.replace(/\/+$/, '') + path;
  return url;
}

/** A URL as it may be shown: scheme, host, port and path; never its user info, query or fragment. */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** Whether a URL's host is this machine by name or address. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname;
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
  );
}

const shortestSecret = 6;

/** Takes a token out of a text that others wrote, in each form in which it can stand there. */
export function redactToken(text: string, token: string | undefined): string {
  // A shorter one is no secret, and taking it out would only garble the text.
  if (token === undefined || token.length < shortestSecret) return text;
  const bytes = Buffer.from(token);
  const forms = [token, encodeURIComponent(token), bytes.toString('base64url'), bytes.toString('base64')];
  return forms.reduce((result, form) => result.replaceAll(form.replace(/=+$/, ''), '[token]'), text);
}
