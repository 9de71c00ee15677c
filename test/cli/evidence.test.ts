import { describe } from 'vitest';
import { CertificateAuthority, withoutOpenssl } from '../support/certificates.js';
import { close } from '../support/raw-frames.js';
import type { RawConnection } from '../support/raw-server.js';
import { test } from '../support/stage.js';
import { startWebServer } from '../support/web-server.js';

const isStream = ({ path }: RawConnection) => path.startsWith('/api/v1/ws/');
const jsonHeader = ['Content-Type: application/json'];

describe.concurrent('a server that waits for a first message', () => {
  test('is given up after three rounds without an event, and its time is an outage', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    let rounds = 0;
    server.onRequest((client) => {
      if (!isStream(client)) return client.respond('200 OK', jsonHeader, '{"username":"me"}');
      // The fourth round would be the one without a token, which asks once what that changes.
      if (client.path.includes('token=')) rounds++;
      client.accept();
      return setTimeout(() => client.write(close(4001, 'say hello first')), 1100);
    });
    const { code, stderr } = await command.runTail(server);
    expect({ code, rounds }).toEqual({ code: 4, rounds: 3 });
    expect(stderr).toMatch(/first message/);
    expect(stderr).toMatch(/0 events .*, 1 outage of [\d.]+s, 0 dropped/);
  });
});

describe.concurrent('the secrets of a context', () => {
  test.for([
    ['--context and --url', (url: string) => [['-c', 'lab', '-u', url], {}] as const],
    ['variables', (url: string) => [[], { OPMAS_CONTEXT: 'lab', OPMAS_URL: url }] as const],
  ] as const)(
    'do not go to the server of another URL: %s',
    async ([, choose], { serve, command, expect }) => {
      const server = await serve();
      const { sandbox } = command;
      const words = ['context', 'add', 'lab', '-u', 'ws://localhost:1', '--token-command', 'echo lab-secret'];
      expect(await sandbox.run(words)).toMatchObject({ code: 0 });
      const [choice, environment] = choose(server.url);
      const { code, stderr } = await sandbox.run(['tail', 'devices', ...choice], {
        environment: { ...environment, OPMAS_TOKEN: '' },
      });
      expect(code, stderr).toBe(3);
      expect(stderr).toMatch(/context lab belongs to ws:\/\/localhost:1/);
      expect(server.connections.all).toEqual([]);
    },
  );
});

describe.skipIf(withoutOpenssl).concurrent('NODE_TLS_REJECT_UNAUTHORIZED=0', () => {
  test.for([
    [['tail', 'devices']],
    [['doctor', 'devices']],
    [['auth', 'login', '--username', 'me', '--password-stdin']],
  ] as const)('does not turn verification off: %j', async ([words], { command, expect }) => {
    const authority = new CertificateAuthority();
    await using server = await startWebServer((_, response) => response.end(), authority.selfSigned());
    authority.remove();
    const { code, stdout, stderr } = await command.sandbox.run(
      [...words, '-u', `wss://localhost:${server.port}`],
      {
        environment: { NODE_TLS_REJECT_UNAUTHORIZED: '0', OPMAS_TOKEN: words[0] === 'auth' ? '' : 'canary' },
        input: 'secret',
      },
    );
    expect(code, stderr).toBe(4);
    expect(stdout + stderr).toMatch(/certificate/);
    expect(stdout + stderr).not.toMatch(/--insecure/);
    expect(server.requests).toEqual([]);
  });
});
