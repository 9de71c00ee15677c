import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../../src/core/failure/table.js';
import { type Check, verdictOf } from '../../../src/core/failure/verdict.js';

const server = { url: new URL('wss://opmas.test:8443/x') };
const failed = (failure: FailureKind): Check => ({
  name: 'upgrade x',
  status: 'failed',
  detail: '',
  durationMs: 0,
  failure,
});

describe('verdictOf', () => {
  it('is content when nothing failed', () => {
    const warning: Check = { name: 'clock', status: 'warning', detail: '', durationMs: 0 };
    expect(verdictOf([warning], server)).toMatchObject({
      failure: undefined,
      code: undefined,
      next: 'opmas-ws tail --url wss://opmas.test:8443/x',
    });
  });

  it('fills host, port and base URL into text and command', () => {
    const { text, next } = verdictOf([failed('TLS wanted')], server);
    expect(text).toBe('port 8443 of opmas.test speaks TLS: use wss://');
    expect(next).toBe('opmas-ws doctor --url wss://opmas.test:8443/x');
    expect(verdictOf([failed('endpoint does not exist')], server).text).toContain('wss://opmas.test:8443/x');
  });

  it('names the server before a missing token, and an unusable token before all', () => {
    expect(verdictOf([failed('no token'), failed('connection refused')], server).failure).toBe(
      'connection refused',
    );
    expect(verdictOf([failed('connection refused'), failed('token unusable')], server).failure).toBe(
      'token unusable',
    );
    expect(verdictOf([failed('closed'), failed('silent')], server).failure).toBe('closed');
  });

  it('does not send people to a login that their own token would hide', () => {
    const login = 'opmas-ws auth login --url wss://opmas.test:8443/x';
    expect(verdictOf([failed('token expired')], server).next).toBe(login);
    const own = {
      ...server,
      tokenSource: {
        source: 'OPMAS_TOKEN',
        hint: 'put a fresh one there',
        next: { name: 'auth login', environment: 'unset OPMAS_TOKEN &&' } as const,
      },
      said: {},
    };
    for (const fault of ['token expired', 'token refused', 'token unusable', 'unknown'] as const) {
      const verdict = verdictOf([failed(fault)], own);
      expect(verdict.text).toContain('; ');
      expect(verdict.text).toContain('put a fresh one there');
      expect(verdict.next).toBe('unset OPMAS_TOKEN && opmas-ws auth login');
    }
    expect(verdictOf([failed('endpoint does not exist')], own).text).not.toContain('fresh');
    const none = { ...own, said: { noToken: true, url: 'x' } };
    expect(verdictOf([failed('no token')], none).next).toBe('opmas-ws doctor --url x');
  });

  it('says why a source gives no token', () => {
    const check: Check = { ...failed('no token'), name: 'token', detail: 'the file t cannot be read' };
    const own = { ...server, tokenSource: { source: 'the file t', hint: 'put a fresh token there' } };
    expect(verdictOf([check], own).text).toBe('the file t cannot be read; put a fresh token there');
  });

  it('blames no signing key when the token is no JWT', () => {
    const text = (tokenIsJwt: boolean) =>
      verdictOf([failed('token refused')], { ...server, tokenIsJwt }).text;
    expect(text(true)).toContain('signing key');
    expect(text(false)).toMatch(/not a JWT/);
    expect(text(false)).not.toContain('signing key');
  });

  it.each([
    ['wss://h:1/x', 'wss://h:1/x'],
    ['ws://[::1]:8000', '"ws://[::1]:8000"'],
    ['C:\\my files\\ca.pem', '"C:\\my files\\ca.pem"'],
    ['', '""'],
    ['data.a == "x"', `'data.a == "x"'`],
    [`it's $HOME`, `'it'\\''s $HOME'`],
  ])(
    'quotes words so that sh, cmd.exe and PowerShell read them alike where they can: %s',
    (word, written) => {
      expect(verdictOf([], { ...server, said: { tokenFile: word } }).next).toBe(
        `opmas-ws tail --token-file ${written}`,
      );
    },
  );

  it('repeats the given options in the next command, about the same server', () => {
    const said = {
      url: 'wss://opmas.test:8443/x',
      context: "o'lab",
      endpoints: ['devices', '/api/v1/ws/device/42'],
      ca: 'my ca.pem',
      tokenFile: '-',
    };
    const next = (fault: FailureKind, more = {}) =>
      verdictOf([failed(fault)], { ...server, said: { ...said, ...more } }).next;
    const about = '--url wss://opmas.test:8443/x --context "o\'lab"';
    const all = 'devices /api/v1/ws/device/42';
    expect(verdictOf([], { ...server, said }).next).toBe(
      `opmas-ws tail ${all} ${about} --ca "my ca.pem" --token-file -`,
    );
    expect(next('closed')).toBe(`opmas-ws tail ${all} --lifecycle ${about} --ca "my ca.pem" --token-file -`);
    expect(next('token expired')).toBe(`opmas-ws auth login ${about} --ca "my ca.pem"`);
    expect(next('certificate untrusted')).toBe(`opmas-ws doctor ${all} ${about} --ca FILE --token-file -`);
    expect(next('endpoint does not exist')).toBe(`opmas-ws doctor ${about} --ca "my ca.pem" --token-file -`);
    expect(next('proxy refuses', { ca: undefined, tokenFile: undefined })).toBe(
      `opmas-ws doctor ${all} ${about} --proxy none`,
    );
    const way = { proxy: 'socks5h://me:sesame@proxy.test:1080', ipv6: true };
    expect(next('closed', { ...way, ca: undefined, tokenFile: undefined })).toBe(
      `opmas-ws tail ${all} --lifecycle ${about} --proxy socks5h://USER:PASSWORD@proxy.test:1080 --ipv6`,
    );
    const headers = { header: ['X-Key: @key', 'authorization: @wrong'], ca: undefined, tokenFile: undefined };
    // Both values would be sent, so the wrong one would still be refused.
    expect(next('gateway wants credentials', headers)).toBe(
      `opmas-ws doctor ${all} ${about} --header "Authorization: @FILE" --header "X-Key: @key"`,
    );
    expect(next('gateway refuses this machine', way)).toBe(
      'curl -i https://opmas.test:8443/x/health --cacert "my ca.pem" --proxy socks5h://USER:PASSWORD@proxy.test:1080 --ipv6',
    );
    // A command that would be refused is no help.
    expect(verdictOf([failed('no TLS there')], { ...server, said: {} }).next).toBe(
      'opmas-ws doctor --url ws://opmas.test:8443/x --plaintext --no-token',
    );
    const usual = {
      url: new URL('wss://opmas.test/x'),
      said: { cert: 'a.pem', key: 'a.key', insecure: true },
    };
    expect(verdictOf([failed('unknown host')], usual).next).toBe(
      'opmas-ws doctor --url wss://RIGHT-NAME/x --no-token',
    );
    const elsewhere = {
      ...failed('no API there'),
      next: { name: 'doctor', change: { url: 'wss://opmas.test/api' } },
    };
    expect(verdictOf([elsewhere as Check], usual).next).toBe(
      'opmas-ws doctor --url wss://opmas.test/api --cert a.pem --key a.key',
    );
    expect(verdictOf([failed('no TLS there')], { url: new URL('wss://localhost'), said: {} }).next).toBe(
      'opmas-ws doctor --url ws://localhost:443',
    );
    const local = { url: new URL('wss://localhost:8443/x'), said: {} };
    expect(verdictOf([failed('no TLS there')], { ...local, said: { proxy: 'p:1' } }).next).toBe(
      'opmas-ws doctor --url ws://localhost:8443/x --plaintext --proxy p:1 --no-token',
    );
    expect(verdictOf([failed('no TLS there')], local).next).toBe(
      'opmas-ws doctor --url ws://localhost:8443/x',
    );
  });

  it('mentions the port where no API is', () => {
    const { text, next } = verdictOf([failed('no API there')], server);
    expect(text).toMatch(/wrong port .*wrong prefix/);
    expect(next).toContain('RIGHT-PORT/RIGHT-PREFIX');
  });
});
