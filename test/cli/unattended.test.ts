import { describe } from 'vitest';
import { event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

const quick = ['--retry-delay', '10ms', '--retry-max', '20ms'];

describe.concurrent('a server that is not there yet', () => {
  test.for(['tail', 'record'])(
    '%s waits for it without a terminal, and says so once',
    async (name, { serve, command, expect }) => {
      const before = await serve();
      const { port, url } = before;
      await before.stop();
      const running = command.start([name, 'devices', '-u', url, ...quick, '-n', '1']);
      for (let refusals = 0; refusals < 12; refusals++)
        await running.messages.next((line) => /connection refused/.test(line));
      const server = await serve({ port });
      server.onRequest((client) => client.accept(text(event(1))));
      const { code, stderr } = await running.ended;
      expect(code).toBe(0);
      expect(
        stderr.match(/waiting for the server, however long it takes \(--retries N gives up\)/g),
      ).toHaveLength(1);
    },
  );

  test('tail waits for its name, too', async ({ command, expect }) => {
    const tail = command.tail({ url: 'ws://no-such-host.invalid' }, ['--plaintext']);
    for (let refusals = 0; refusals < 6; refusals++)
      await tail.messages.next((line) => /retry in/.test(line));
    tail.child.kill();
    expect(await tail.ended).toMatchObject({ signal: 'SIGTERM' });
  });

  test('--retries N and a terminal give up', async ({ command, expect }) => {
    const url = 'ws://127.0.0.1:1';
    const { code, stderr } = await command.runTail({ url }, ['--retries', '4']);
    expect(code).toBe(4);
    expect(stderr).not.toContain('waiting for the server');
    const terminal = command.tailOnTerminal({ url });
    expect(await terminal.ended).toMatchObject({ code: 4 });
  });

  test('a wrong path is given up all the same', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.respond('404 Not Found'));
    expect(await command.runTail(server)).toMatchObject({ code: 4 });
  });
});

test('recorders that start in the same second get different files', async ({ serve, command, expect }) => {
  const server = await serve();
  server.onRequest((client) => client.accept(text(event(1))));
  const words = ['record', 'devices', '-u', server.url, '-n', '1'];
  const ended = await Promise.all(Array.from({ length: 5 }, () => command.sandbox.run(words)));
  expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  const names = [...command.sandbox.files().keys()].filter((name) => name.startsWith('opmas-'));
  expect(names).toHaveLength(5);
});
