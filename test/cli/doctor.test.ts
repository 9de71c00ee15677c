import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { close, listen } from '../support/web-server.js';
import { Sandbox } from './sandbox.js';

describe('doctor', () => {
  it('shows each check with its time, a verdict and the next command', async () => {
    const server = await startMockServer();
    using sandbox = new Sandbox({
      OPMAS_URL: server.url,
      OPMAS_TOKEN: server.token,
      OPMAS_TOKEN_FILE: '/nowhere',
    });
    const { code, stdout, stderr } = await sandbox.run(['doctor', 'devices']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^✓ config +ws:.*set but not used: OPMAS_TOKEN_FILE \(\/nowhere\) \(\d+ms\)\n✓ token/,
    );
    expect(stdout).toMatch(
      /✓ pong devices +round trip \(\d+ms\)\n\nverdict +all is well: .* stay open for a second\nnext +opmas-ws tail devices\n$/,
    );
    expect(stdout).not.toContain(server.token);
    const json = await sandbox.run(['doctor', '--json', 'devices', 'system']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: true,
      server: server.url,
      token_source: 'OPMAS_TOKEN',
      fault: null,
      next: 'opmas-ws tail devices system',
      checks: expect.arrayContaining([expect.objectContaining({ name: 'upgrade system', status: 'ok' })]),
    });
    const refused = await sandbox.run(['doctor', '--token-file', '-', 'devices'], { input: 'sesame' });
    expect(refused).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/\nverdict +the server rejected the token/),
    });
    expect(refused.stdout).not.toContain('sesame');
    const without = await sandbox.run(['doctor', 'devices'], {
      environment: { OPMAS_TOKEN: '', OPMAS_TOKEN_FILE: '' },
    });
    expect(without).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/\nnext +opmas-ws auth login\n/),
    });
    const none = await sandbox.run(['doctor', '--json', 'devices'], {
      environment: { OPMAS_TOKEN: '', OPMAS_TOKEN_FILE: '' },
    });
    expect(JSON.parse(none.stdout)).toMatchObject({ token_source: null, fault: 'no token' });
    const unreadable = await sandbox.run(['doctor', 'devices', '--token-file', '/nowhere']);
    expect(unreadable).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/✗ token +.*there is no such file/),
    });
    await server.close();
  });

  it('ends with 4 when no server is there', async () => {
    using sandbox = new Sandbox({ OPMAS_TOKEN: 'abc' });
    const { code, stdout } = await sandbox.run(['doctor', 'devices', '-u', 'ws://127.0.0.1:1']);
    expect(code).toBe(4);
    expect(stdout).toMatch(/✗ tcp .*connection refused/);
    expect(stdout).toMatch(/next +opmas-ws doctor devices --url ws:\/\/127.0.0.1:RIGHT-PORT\n$/);
    expect(stdout).toMatch(/- upgrade devices +not tried\n/);
  });

  it('says nothing more when it is interrupted', async () => {
    const server = createServer();
    const port = await listen(server);
    using sandbox = new Sandbox({ OPMAS_TOKEN: 'abc' });
    const { child, ended } = sandbox.start(['doctor', 'devices', '-u', `wss://127.0.0.1:${port}`]);
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => /tcp/.test(text) && resolve());
    });
    child.kill('SIGINT');
    const { signal, stdout, stderr } = await ended;
    expect({ signal, stderr }).toEqual({ signal: 'SIGINT', stderr: '' });
    expect(stdout).not.toMatch(/tls|verdict/);
    await close(server);
  });

  it.each([
    [['nope'], {}, /unknown endpoint/],
    [['--url', 'ftp://x'], {}, /scheme/],
    [['-c', 'nope'], {}, /unknown context/],
    [
      ['--plaintext', '-u', 'ws://opmas.invalid'],
      { HTTP_PROXY: 'gopher://sesame' },
      /HTTP_PROXY names a gopher proxy/,
    ],
    [['-u', 'ws://opmas.invalid'], {}, /not encrypted/],
  ])('ends with 2 for %j with %j', async (args, environment, pattern) => {
    using sandbox = new Sandbox({ OPMAS_TOKEN: 'abc', ...(environment as Record<string, string>) });
    const { code, stdout, stderr } = await sandbox.run(['doctor', ...args]);
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(pattern);
    expect(stdout + stderr).not.toContain('sesame');
  });
});
