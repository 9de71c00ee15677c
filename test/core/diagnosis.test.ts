import { describe, expect, it } from 'vitest';
import { type Check, type ConnectionFault, verdictOf } from '../../src/core/diagnosis.js';

const server = { protocol: 'wss:', hostname: 'opmas.test', port: '8443', base: 'wss://opmas.test:8443/x' };
const failed = (fault: ConnectionFault): Check => ({
  name: 'x',
  status: 'failed',
  detail: '',
  milliseconds: 0,
  fault,
});

describe('verdictOf', () => {
  it('is content when nothing failed', () => {
    const warning: Check = { name: 'clock', status: 'warning', detail: '', milliseconds: 0 };
    expect(verdictOf([warning], server)).toMatchObject({
      fault: undefined,
      code: undefined,
      next: 'opmas-ws tail',
    });
  });

  it('fills host, port and base URL into text and command', () => {
    const { text, next } = verdictOf([failed('TLS wanted')], server);
    expect(text).toBe('port 8443 of opmas.test speaks TLS: wss:// is meant');
    expect(next).toBe('opmas-ws doctor --url wss://opmas.test:8443');
    expect(verdictOf([failed('wrong path')], server).text).toContain('wss://opmas.test:8443/x');
  });

  it('names the server before a missing token, and an unusable token before all', () => {
    expect(verdictOf([failed('no token'), failed('connection refused')], server).fault).toBe(
      'connection refused',
    );
    expect(verdictOf([failed('connection refused'), failed('token unusable')], server).fault).toBe(
      'token unusable',
    );
    expect(verdictOf([failed('closed'), failed('silent')], server).fault).toBe('closed');
  });

  it('does not send people to a login that their own token would hide', () => {
    expect(verdictOf([failed('token expired')], server).next).toBe('opmas-ws auth login');
    const verdict = verdictOf([failed('token expired')], { ...server, tokenSource: 'OPMAS_TOKEN' });
    expect(verdict.text).toContain('OPMAS_TOKEN');
    expect(verdict.next).toBe('opmas-ws auth status');
  });
});
