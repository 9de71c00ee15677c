import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type MockServer, startMockServer } from '../../src/index.js';
import { json, startWebServer } from '../support/web-server.js';
import { Sandbox } from './sandbox.js';

interface AnyLine {
  type?: string;
  endpoint: string;
  connection?: { state: string; code?: number; gap_since?: string };
}

const quick = ['--retry-delay', '50ms'];

let server: MockServer;
beforeAll(async () => {
  server = await startMockServer({ rate: 50, tokenLifeMs: 1000 });
});
afterAll(() => server.close());

async function loggedIn(): Promise<Sandbox> {
  const sandbox = new Sandbox({ OPMAS_URL: server.url });
  await sandbox.run(['auth', 'login', '--username', 'admin', '--password-stdin'], { input: 'p' });
  return sandbox;
}

describe.concurrent('a token that ends while events flow', () => {
  it('is renewed, and the stream goes on with one gap for each loss', async () => {
    using sandbox = await loggedIn();
    const { child, ended } = sandbox.start([
      'tail',
      'devices',
      'rules',
      '--lifecycle',
      '-f',
      'json',
      ...quick,
    ]);
    let text = '';
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk) => {
        text += chunk;
        const hasEvent = (endpoint: string) => text.includes(`"endpoint":"${endpoint}","type"`);
        if (text.split('"gap_since"').length > 4 && hasEvent('devices') && hasEvent('rules')) resolve();
      });
      child.once('close', () => resolve());
    });
    child.kill('SIGINT');
    const { signal, stdout, stderr } = await ended;
    expect(signal, stderr).toBe('SIGINT');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AnyLine);
    for (const endpoint of ['devices', 'rules']) {
      const own = lines.filter((line) => line.endpoint === endpoint);
      const states = own.flatMap(({ connection }) => (connection ? [connection] : []));
      const losses = states.filter(({ code }) => code === 4001).length;
      expect(losses).toBeGreaterThan(0);
      expect(states.some(({ state }) => state === 'refused')).toBe(false);
      const first = own.findIndex(({ type }) => type !== undefined);
      expect(first).toBeGreaterThan(0);
      for (const { connection } of own.slice(first)) {
        if (connection?.state === 'open') expect(connection.gap_since).toBeDefined();
      }
    }
    expect(stderr).toMatch(/^[-\d: ]{19} both endpoints {2}token expired, renewed$/m);
    // A process that comes later finds the newest token.
    expect(await sandbox.run(['tail', 'devices', '-n', '1', ...quick])).toMatchObject({ code: 0 });
  });

  it('is not called renewed when the server refuses to renew it', async () => {
    const token = () => {
      const claims = JSON.stringify({ sub: 'me', exp: Math.floor(Date.now() / 1000) + 2 });
      return `e30.${Buffer.from(claims).toString('base64url')}.c2ln`;
    };
    await using api = await startWebServer(({ url }, response) =>
      url.endsWith('/login')
        ? json(response, 200, { access_token: token(), refresh_token: 'a-refresh-token' })
        : json(response, 401, { detail: 'no' }),
    );
    new WebSocketServer({ server: api.server as never }).on('connection', (socket) => {
      socket.send('{"type":"device.error"}');
      setTimeout(() => socket.close(4001), 2500);
    });
    using sandbox = new Sandbox({ OPMAS_URL: String(api.url).replace('http', 'ws') });
    await sandbox.run(['auth', 'login', '--username', 'me', '--password-stdin'], { input: 'p' });
    const { stderr } = await sandbox.run(['tail', 'devices', '-n', '2', ...quick]);
    expect(stderr).toMatch(/lost: 4001 .*, retry in \d/);
    expect(stderr).not.toContain('token expired, renewed');
  });

  it('ends with 3 when nothing can renew it, and says when it expired', async () => {
    using sandbox = await loggedIn();
    const { stdout: token } = await sandbox.run(['auth', 'token']);
    const { code, stderr } = await sandbox.run(['tail', 'devices', '--token-file', '-', ...quick], {
      input: token,
    });
    expect(code).toBe(3);
    expect(stderr).toMatch(/rejected the token from --token-file -: .*; it expired/);
    expect(stderr).toMatch(/opmas-ws auth login/);
    expect(stderr).not.toContain(token.trim());
  });

  it('is read again from its file after a refusal', async () => {
    using sandbox = new Sandbox({ OPMAS_URL: server.url });
    const file = join(sandbox.home, 'token');
    writeFileSync(file, 'refused', { mode: 0o600 });
    const fresh = await server.createToken({ lifeMs: 60_000 });
    const slow = ['--retry-delay', '2s'];
    const { child, ended } = sandbox.start(['tail', 'devices', '-n', '1', '--token-file', file, ...slow]);
    // The first refusal is told before the file is read again.
    child.stderr.once('data', () => writeFileSync(file, fresh));
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('comes from a token command that leaves nothing behind when the command ends', async () => {
    using sandbox = new Sandbox();
    // No other process on this machine sleeps for this time.
    const sleep = `sleep 78.${process.pid}`;
    const words = ['context', 'add', 'x', '-u', server.url, '--token-command', `sh -c '${sleep}; true'`];
    const isSleeping = () => spawnSync('pgrep', ['-f', `${sleep}$`]).status === 0;
    await sandbox.run(words);
    const tail = sandbox.start(['tail', 'devices']);
    while (!isSleeping()) await new Promise((resolve) => setTimeout(resolve, 20));
    tail.child.kill();
    expect(await tail.ended).toMatchObject({ signal: 'SIGTERM' });
    expect(isSleeping()).toBe(false);
    const startedAt = performance.now();
    // The command itself would be ended after 10 s.
    await sandbox.run(['tail', 'devices', '--duration', '1s']);
    expect(performance.now() - startedAt).toBeLessThan(9000);
    expect(isSleeping()).toBe(false);
  });

  it('comes from a token command within the time that the context or an option allows', async () => {
    using sandbox = new Sandbox();
    const words = ['context', 'add', 'x', '-u', server.url, '--token-command', 'sleep 60'];
    await sandbox.run([...words, '--token-command-timeout', '300ms']);
    const stored = await sandbox.run(['tail', 'devices']);
    expect(stored).toMatchObject({ code: 3, stderr: expect.stringContaining('did not end in 0.3 s') });
    const given = await sandbox.run(['tail', 'devices', '--token-command-timeout', '200ms']);
    expect(given).toMatchObject({ code: 3, stderr: expect.stringContaining('did not end in 0.2 s') });
  });

  it('comes anew from the token command after a refusal', async () => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'token'), 'refused');
    writeFileSync(join(sandbox.home, 'next'), await server.createToken({ lifeMs: 60_000 }));
    const command = `sh -c 'cat token; cp next token'`;
    await sandbox.run(['context', 'add', 'x', '-u', server.url, '--token-command', command]);
    expect(await sandbox.run(['tail', 'devices', '-n', '1', ...quick])).toMatchObject({ code: 0 });
  });
});
