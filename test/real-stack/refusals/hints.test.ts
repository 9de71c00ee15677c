import { cpSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, Sandbox } from '../../cli/sandbox.js';
import { ServedProcess } from '../../cli/served-process.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { RealStack, withoutRealStack } from '../../support/real-stack.js';
import { startWebServer } from '../../support/web-server.js';

const quick = '-n 1 --retries 2 --retry-delay 20ms --retry-max 50ms --connect-timeout 2s'.split(' ');

/** Logs in as a user whose name chooses the token that is stored. */
async function loginAs(sandbox: Sandbox, user: string, server: readonly string[]): Promise<void> {
  const words = ['auth', 'login', '--username', user, '--password-stdin', ...server];
  expect(await sandbox.run(words, { input: 'secret' })).toMatchObject({ code: 0 });
}

function textOf({ stdout, stderr }: Ended): string {
  return stderr + stdout;
}

/** The commands of ours that an output suggests. */
function suggestionsIn(ended: Ended): string[] {
  return textOf(ended).match(/opmas-ws (auth|tail|record|doctor|context)[^\n"`;]*/g) ?? [];
}

describe.skipIf(withoutRealStack)('a hint', { concurrent: true }, () => {
  let stack: RealStack;
  let mock: ServedProcess;
  let mockToken: string;
  /** Homes with two contexts and a login at the server of `a`, by user. Context `b` is in use. */
  let homes: Record<'forged' | 'expired', Sandbox>;
  beforeAll(async () => {
    mock = new ServedProcess(['mock', '--port', '0']);
    const { url, token } = await mock.ready();
    mockToken = token;
    stack = await RealStack.start({ mockPort: Number(new URL(url).port) });
    homes = { forged: new Sandbox(), expired: new Sandbox() };
    const prepare = async ([user, home]: [string, Sandbox]) => {
      await home.run(['context', 'add', 'a', '--url', stack.gateway('plain')]);
      await home.run(['context', 'add', 'b', '--url', stack.gateway('denies all')]);
      expect(await home.run(['context', 'use', 'b'])).toMatchObject({ code: 0 });
      await loginAs(home, user, ['-c', 'a']);
    };
    await Promise.all(Object.entries(homes).map(prepare));
  });
  afterAll(async () => {
    for (const home of Object.values(homes)) home[Symbol.dispose]();
    await stack[Symbol.asyncDispose]();
    mock.process.kill();
    await mock.ended;
  });

  // The command is about `a`, which is not the context in use.
  const choices: [string, () => string[], RegExp][] = [
    ['-c', () => ['-c', 'a'], /(-c|--context) a\b/],
    ['-u', () => ['-u', stack.gateway('plain')], /(-u|--url) ws:\/\/127\.0\.0\.1:\d+/],
  ];
  const failing: [user: keyof typeof homes, words: string[]][] = [
    ['forged', ['tail', 'devices', ...quick]],
    ['expired', ['tail', 'devices', ...quick]],
    ['forged', ['record', 'devices', '-o', 'refused.ndjson', ...quick]],
    ['forged', ['doctor', 'devices']],
    ['expired', ['doctor', '--json', 'devices']],
    ['expired', ['auth', 'status']],
    ['expired', ['auth', 'token']],
    ['forged', ['auth', 'login', '--with-token']],
  ];
  for (const [option, choice, carried] of choices) {
    for (const [user, words] of failing) {
      const name = words.slice(0, 3).join(' ');
      it(`carries ${option} of the command that failed: ${name}, ${user} token`, async () => {
        using sandbox = new Sandbox();
        cpSync(homes[user].home, sandbox.home, { recursive: true });
        const ended = await sandbox.run([...words, ...choice()], { input: stack.token('forged') });
        expect(ended.code).toBe(3);
        const suggestions = suggestionsIn(ended);
        expect(suggestions.length, textOf(ended)).toBeGreaterThan(0);
        for (const suggestion of suggestions) expect(suggestion, textOf(ended)).toMatch(carried);
      });
    }
  }

  for (const name of ['tail', 'record', 'doctor']) {
    it(`names the ways to a first server on a new machine: ${name}`, async () => {
      using sandbox = new Sandbox();
      const ended = await sandbox.run([name]);
      expect([2, 3, 4]).toContain(ended.code);
      for (const way of [/opmas-ws demo/, /--url/, /context add/]) expect(textOf(ended)).toMatch(way);
    });
  }

  for (const kind of ['forged', 'expired'] as const) {
    it(`leads to the variable when its token is ${kind}`, async () => {
      using sandbox = new Sandbox({ OPMAS_TOKEN: stack.token(kind), OPMAS_URL: stack.gateway('plain') });
      const { stdout } = await sandbox.run(['doctor', '--json', 'devices']);
      const { next } = JSON.parse(stdout);
      expect(next).toMatch(/OPMAS_TOKEN/);
      expect(next).not.toMatch(/auth status/);
    });
  }

  describe.skipIf(withoutOpenssl)('about an expired certificate', () => {
    for (const name of ['tail', 'doctor', 'auth login --with-token']) {
      it(`names it and never turns verification off: ${name}`, async () => {
        const authority = new CertificateAuthority();
        const certificate = authority.issue('DNS:localhost', -1);
        await using server = await startWebServer((_, response) => response.end(), certificate);
        const isLogin = name.startsWith('auth');
        using sandbox = new Sandbox(isLogin ? {} : { OPMAS_TOKEN: 'abc' });
        const words = [...name.split(' '), '-u', `wss://localhost:${server.port}`, '--ca', authority.path];
        const ended = await sandbox.run(words, { input: stack.token('good') });
        authority.remove();
        expect(textOf(ended)).not.toMatch(/--insecure/);
        if (!isLogin) expect(ended.code).toBe(4);
        expect(textOf(ended)).toMatch(/certificate.*expired/);
      });
    }
  });

  const proxies: [variable: string, state: string, address: () => string][] = [
    ['HTTP_PROXY', 'is a web server', () => stack.gateway('page for all')],
    ['http_proxy', 'is a web server that wants Basic', () => stack.gateway('wants Basic')],
    ['ALL_PROXY', 'is not there', () => 'ws://127.0.0.1:1'],
  ];
  const throughProxy = [
    ['tail', 'devices', ...quick, '--plaintext'],
    ['doctor', 'devices', '--plaintext'],
    ['auth', 'login', '--plaintext', '--username', 'admin', '--password-stdin'],
  ];
  for (const [variable, state, address] of proxies) {
    for (const words of throughProxy) {
      it(`names ${variable} and its value when it ${state}: ${words.slice(0, 2).join(' ')}`, async () => {
        const { host } = new URL(address());
        using sandbox = new Sandbox(words[0] === 'auth' ? {} : { OPMAS_TOKEN: stack.token('good') });
        const environment = { [variable]: `http://operator:sesame@${host}` };
        const server = ['-u', 'ws://opmas.example.org:8000'];
        const ended = await sandbox.run([...words, ...server], { input: 'secret', environment });
        const text = textOf(ended);
        expect([3, 4], text).toContain(ended.code);
        expect(text).not.toMatch(/sesame|operator|✓ proxy|✓ dns +127/);
        const conclusion = text.slice(text.search(/^(verdict|opmas-ws:)/m));
        expect(conclusion).toContain(variable);
        expect(conclusion).toContain(host);
      });
    }
  }

  it('calls no refresh token refused when the server did not take the form of the request', async () => {
    using sandbox = new Sandbox({ OPMAS_URL: stack.gateway('plain') });
    await loginAs(sandbox, 'expired-with-refresh', []);
    const ended = await sandbox.run(['tail', 'devices', ...quick]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).not.toMatch(/(refus|reject)\w* the refresh token/);
    expect(ended.stderr).toMatch(/422/);
  });

  for (const name of ['tail', 'doctor', 'auth login --with-token']) {
    it(`names the remedy for a host name that the mock does not know: ${name}`, async () => {
      using sandbox = new Sandbox(name.startsWith('auth') ? {} : { OPMAS_TOKEN: mockToken });
      const options = name === 'tail' ? quick : [];
      const server = ['-u', stack.gateway('mock under another name')];
      const ended = await sandbox.run([...name.split(' '), ...options, ...server], { input: mockToken });
      const remedy = '--allow-origin http://opmas.example.org';
      expect(ended.code, textOf(ended)).toBe(4);
      expect(textOf(ended)).toContain(remedy);
      expect(textOf(ended)).not.toMatch(/(refus|reject)\w* the token/);
      await mock.says(new RegExp(remedy));
    });
  }

  it('names the remedy for an origin that the mock does not know', async () => {
    const { url } = await mock.ready();
    const remedy = '--allow-origin http://page.example.org';
    const headers = { Origin: 'http://page.example.org' };
    const answer = await fetch(`${url.replace('ws', 'http')}/health`, { headers });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain(remedy);
    await mock.says(new RegExp(remedy));
  });
});
