import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apiUrl,
  displayUrl,
  endpointUrl,
  isLoopback,
  parseBaseUrl,
  redactToken,
} from '../../src/core/address.js';
import { OpmasError } from '../../src/core/errors.js';

function errorOf(text: string): OpmasError {
  try {
    parseBaseUrl(text);
  } catch (error) {
    if (error instanceof OpmasError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe('base URLs', () => {
  it.each([
    ['ws://localhost:8000', 'ws://localhost:8000/'],
    ['http://localhost:8000', 'ws://localhost:8000/'],
    ['https://opmas.example.org', 'wss://opmas.example.org/'],
    ['wss://opmas.example.org/', 'wss://opmas.example.org/'],
    ['HTTPS://OPMAS.Example.ORG', 'wss://opmas.example.org/'],
    ['ws://host:80', 'ws://host/'],
    ['https://host:443', 'wss://host/'],
    ['http://host:443', 'ws://host:443/'],
    ['ws://host/prefix', 'ws://host/prefix'],
    ['ws://host/a/b///', 'ws://host/a/b'],
    ['localhost:8000', 'ws://localhost:8000/'],
    ['192.0.2.7:8000/opmas', 'ws://192.0.2.7:8000/opmas'],
    ['ap-7', 'ws://ap-7/'],
    ['ws://[::1]:8000', 'ws://[::1]:8000/'],
    ['[2001:db8::1]:8000', 'ws://[2001:db8::1]:8000/'],
    ['ws://bücher.example', 'ws://xn--bcher-kva.example/'],
    ['ws://host:65535', 'ws://host:65535/'],
    ['  ws://host:1  ', 'ws://host:1/'],
  ])('%s is taken', (text, expected) => {
    expect(parseBaseUrl(text).href).toBe(expected);
  });

  it.each([
    [''],
    ['   '],
    ['ws://'],
    ['ws:///path'],
    ['ws:/host:8000'],
    ['https:/host'],
    ['ftp://host'],
    ['file:///etc/passwd'],
    ['unix:///run/opmas.sock'],
    ['ws://host:65536'],
    ['ws://host:0'],
    ['ws://host:port'],
    ['ws://host?token=SECRET'],
    ['ws://host/#SECRET'],
    ['ws://[fe80::1%eth0]:8000'],
    ['ws://[::1'],
    ['ws://ho st'],
    ['ws://user:SECRET@ho st'],
    ['ws://user:SECRET@host'],
    ['https://SECRET@host'],
    ['ws://SECRET:99999'],
  ])('%j is a usage error that does not repeat it', (text) => {
    const error = errorOf(text);
    expect(error.code).toBe('USAGE');
    expect(`${error.message}${error.hint}`).not.toContain('SECRET');
    expect(error.hint).toContain('wss://');
  });

  it('an IPv6 address without brackets is refused with a hint at the brackets', () => {
    for (const text of ['::1', 'ws://::1:8000', 'wss://2001:db8::7/opmas']) {
      expect(errorOf(text).hint).toContain('[::1]');
    }
    expect(errorOf('ws://host:80:90').hint).not.toContain('[::1]');
  });

  it('whatever the text is: a URL that reads as itself, or a usage error', () => {
    const piece = fc.constantFrom(
      'ws://',
      'http:',
      '//',
      '@',
      ':',
      '8000',
      '[::1]',
      '?',
      '#',
      '%',
      '/',
      'é',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 6 }))), (pieces) => {
        let url: URL;
        try {
          url = parseBaseUrl(pieces.join(''));
        } catch (error) {
          expect(error).toMatchObject({ name: 'OpmasError', code: 'USAGE' });
          return;
        }
        expect(['ws:', 'wss:']).toContain(url.protocol);
        expect(url.search + url.hash).toBe('');
        expect(url.hostname).not.toBe('');
        expect(parseBaseUrl(url.href).href).toBe(url.href);
      }),
    );
  });
});

describe('URLs below the base', () => {
  it.each([
    ['ws://host', 'devices', 'ws://host/api/v1/ws/devices'],
    ['wss://host/prefix', 'system', 'wss://host/prefix/api/v1/ws/system'],
    ['ws://host/prefix', '/api/v1/ws/device/42', 'ws://host/prefix/api/v1/ws/device/42'],
  ])('%s and %s', (base, endpoint, expected) => {
    expect(endpointUrl(parseBaseUrl(base), endpoint).href).toBe(expected);
  });

  it('any token arrives as it is after percent-decoding', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aZ09+&#%/=?. ~-_!*()') }), (token) => {
        const url = endpointUrl(parseBaseUrl('ws://host'), 'devices', token);
        expect(decodeURIComponent(/^\?token=(.*)$/.exec(url.search || '?token=')![1]!)).toBe(token);
        expect(url.searchParams.get('token') ?? '').toBe(token);
        expect(url.hash).toBe('');
      }),
    );
  });

  it('of the REST API have the matching scheme', () => {
    expect(apiUrl(parseBaseUrl('ws://host:8000/p'), '/health').href).toBe('http://host:8000/p/health');
    expect(apiUrl(parseBaseUrl('wss://host'), '/api/v1/auth/me').href).toBe('https://host/api/v1/auth/me');
  });

  it('never change the base', () => {
    const base = parseBaseUrl('ws://host/p');
    endpointUrl(base, 'devices', 'secret');
    apiUrl(base, '/health');
    expect(base.href).toBe('ws://host/p');
  });
});

describe('texts that may be shown', () => {
  it.each([
    ['ws://user:SECRET@host:1/p?token=SECRET#SECRET', 'ws://host:1/p'],
    ['wss://host/', 'wss://host'],
    ['ws://[::1]:8000/api', 'ws://[::1]:8000/api'],
  ])('%s', (href, expected) => {
    expect(displayUrl(new URL(href))).toBe(expected);
  });

  it.each([
    ['ws://localhost', true],
    ['ws://a.localhost:1', true],
    ['ws://127.0.0.1', true],
    ['ws://127.9.9.9', true],
    ['ws://2130706433', true],
    ['ws://0x7f.1', true],
    ['ws://[::1]', true],
    ['ws://localhost.example.org', false],
    ['ws://127.0.0.1.example.org', false],
    ['ws://0.0.0.0', false],
    ['ws://[::2]', false],
    ['ws://opmas', false],
  ])('%s is this machine: %s', (text, expected) => {
    expect(isLoopback(parseBaseUrl(text).hostname)).toBe(expected);
  });
});

describe('removing a token from text of others', () => {
  const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.k+9/x_Y=~';

  it.each([
    ['raw', token],
    ['percent-encoded', encodeURIComponent(token)],
    ['percent-encoded in lower case', encodeURIComponent(token).replace(/%../g, (hex) => hex.toLowerCase())],
    ['base64', Buffer.from(token).toString('base64')],
    ['base64url', Buffer.from(token).toString('base64url')],
  ])('%s', (_form, shown) => {
    expect(redactToken(`no ${shown}, no ${shown}!`, token)).toBe('no [token], no [token]!');
  });

  it('raw, when it has digits of percent-encoding in lower case itself', () => {
    expect(redactToken('bad token abcdef%2fghijklmnop!', 'abcdef%2fghijklmnop')).toBe('bad token [token]!');
  });

  it('that was cut off, as in a close reason of 123 bytes', () => {
    for (const form of [token, encodeURIComponent(token), Buffer.from(token).toString('base64')]) {
      for (let length = 12; length < form.length; length++) {
        expect(redactToken(`bad token ${form.slice(0, length)}…`, token)).toBe('bad token [token]…');
      }
    }
  });

  const secret = 'Zm9vYmFyYmF6cXV4-_k3Jz9dLq81Wv5xTtPp0';
  const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.${secret}`;

  it.each([
    ['its signature', secret],
    ['the token without its beginning', jwt.slice(12)],
    ['12 characters of the signature', secret.slice(7, 19)],
    ['the signature, percent-encoded twice', encodeURIComponent(encodeURIComponent(`${secret}=`))],
    [
      'the signature, escaped in JSON',
      [...secret].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join(''),
    ],
    ['the signature over two lines', `${secret.slice(0, 20)}\r\n  ${secret.slice(20)}`],
    ['the signature over two lines of JSON', `${secret.slice(0, 20)}\\n${secret.slice(20)}`],
    ['the signature with the other alphabet', secret.replace('-', '+').replace('_', '/')],
  ])('finds %s', (_form, shown) => {
    expect(redactToken(`no <${shown}>, you`, jwt)).toBe('no <[token]>, you');
  });

  it.each([0, 1, 2, 3])('finds it in the base64 of a longer text, after %d bytes', (before) => {
    const shown = redactToken(Buffer.from(`${'x'.repeat(before)}${jwt}!!`).toString('base64'), jwt);
    expect(shown.replace('[token]', '').length).toBeLessThan(12);
  });

  it('leaves words alone that stand in a token', () => {
    expect(redactToken('the devices are refused', 'devices-are-here')).toBe('the devices are refused');
    expect(redactToken('no access', 'no-access-today-for-you')).toBe('no access');
  });

  it('takes time in proportion to the text', () => {
    const start = process.cpuUsage();
    redactToken('%25\\\\ =x'.repeat(100_000), jwt);
    expect(process.cpuUsage(start).user).toBeLessThan(3_000_000);
  });

  it('leaves a text alone that has none', () => {
    for (const text of ['', 'going away', 'eyJ', 'token eyJ']) expect(redactToken(text, token)).toBe(text);
    expect(redactToken('a b', undefined)).toBe('a b');
    expect(redactToken('a b', 'a')).toBe('a b');
  });
});
