import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe } from 'vitest';
import { type InstalledPackage, installPackage } from '../support/installed-package.js';
import { text } from '../support/raw-frames.js';
import { startSocks } from '../support/socks-server.js';
import { test } from '../support/stage.js';

const event = (number: number) => JSON.stringify({ type: 'device.status_update', data: { number } });

describe('a long-running command whose installation is removed meanwhile', () => {
  let installed: InstalledPackage;
  beforeEach(() => {
    installed = installPackage();
  });
  afterEach(() => installed.remove());

  /** Removes the program and all of its dependencies. */
  function removeInstallation(): void {
    rmSync(join(installed.folder, 'node_modules'), { recursive: true });
  }

  test.for(['401 Unauthorized', '403 Forbidden'] as const)(
    'reports why it ends: HTTP %s',
    async (status, { serve, command, expect }) => {
      const server = await serve();
      const record = command.tail(server, [], { program: installed.bin });
      const client = await server.request();
      client.accept(text(event(1)));
      await record.lines.next();
      removeInstallation();
      server.onRequest((next) =>
        next.respond(
          next.path.includes('auth/me') ? '401 Unauthorized' : status,
          ['Content-Type: application/json'],
          '{"detail":"no"}',
        ),
      );
      client.reset();
      const ended = await record.ended;
      expect(ended.code, ended.stderr).toBe(3);
      expect(ended.stderr).toMatch(/^opmas-ws: .*token/m);
    },
  );

  test('records on, starts new parts and renews the token', async ({ serve, command, expect }) => {
    const server = await serve();
    const tokenFile = join(command.sandbox.home, 'token');
    writeFileSync(tokenFile, 'first-token');
    const record = command.sandbox.start(
      [
        ...['record', 'devices', '-u', server.url, '-o', 'x.ndjson', '--rotate-size', '300B', '-n', '4'],
        ...['--retry-delay', '10ms', '--token-file', tokenFile, '--tail'],
      ],
      { program: installed.bin },
    );
    const client = await server.request();
    client.accept(text(event(1)));
    await record.lines.next();
    removeInstallation();
    writeFileSync(tokenFile, 'second-token');
    client.close(4001, 'expired');
    const second = await server.request();
    expect(second.path).toContain('second-token');
    second.accept(text(event(2)), text(event(3)), text(event(4)));
    const { code, stderr } = await record.ended;
    expect(code, stderr).toBe(0);
    const files = [...command.sandbox.files()].filter(([name]) => name.startsWith('x.'));
    expect(files.length).toBeGreaterThan(1);
    const numbers = files.flatMap(([, { content }]) =>
      [...content.matchAll(/"number":(\d)/g)].map(([, number]) => Number(number)),
    );
    expect(numbers.sort()).toEqual([1, 2, 3, 4]);
  });

  test('prints lines for people with texts that it can measure no more', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const tail = command.tail(server, ['-f', 'pretty'], { program: installed.bin });
    const client = await server.request();
    client.accept(text(event(1)));
    await tail.lines.next();
    removeInstallation();
    client.write(text(JSON.stringify({ type: 'device.status_update', data: { device_id: '設備' } })));
    expect(await tail.lines.next()).toMatch(/設備 +device\.status_update/);
  });

  test('connects again through a SOCKS proxy', async ({ serve, command, expect }) => {
    const server = await serve();
    await using socks = await startSocks({ port: server.port });
    const way = ['--proxy', `socks5h://127.0.0.1:${socks.port}`, '--plaintext', '-n', '2'];
    const tail = command.tail(server, way, { program: installed.bin });
    const client = await server.request();
    client.accept(text(event(1)));
    await tail.lines.next();
    removeInstallation();
    client.reset();
    (await server.request()).accept(text(event(2)));
    const { code, stderr } = await tail.ended;
    expect(code, stderr).toBe(0);
    expect(socks.seen).toHaveLength(2);
  });
});
