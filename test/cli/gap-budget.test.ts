import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { close, event, text } from '../support/raw-frames.js';
import type { RawServer } from '../support/raw-server.js';
import { test } from '../support/stage.js';

/** Closes each first connection after an event, so that there is a gap, and keeps the second. */
function withGap(server: RawServer): RawServer {
  const seen = new Set<string>();
  return server.onRequest((client) => {
    if (client.path.includes('/nope')) return client.respond('404 Not Found');
    client.accept(text(event(1)), ...(seen.has(client.path) ? [] : [close(1012)]));
    seen.add(client.path);
  });
}

const OVER = /outages of [\d.]+m?s in all, but --gap-budget allows none/;

describe.concurrent('--gap-budget of a live stream', () => {
  test('ends with 8 when outages were longer, of all endpoints merged, and says by how much', async ({
    serve,
    command,
    expect,
  }) => {
    const server = withGap(await serve());
    const over = await command.runTail(server, ['devices', 'rules', '-n', '4', '--gap-budget', '0s', '-q']);
    expect(over.code).toBe(8);
    expect(over.stderr).toMatch(new RegExp(`^opmas-ws: ${OVER.source}\n$`));
    // The second connection of an endpoint is kept: no gap.
    const within = await command.runTail(server, ['-n', '1', '--gap-budget', '0s']);
    expect(within.code).toBe(0);
  });

  test('allows outages that are not longer', async ({ serve, command, expect }) => {
    const server = withGap(await serve());
    expect(await command.runTail(server, ['-n', '2', '--gap-budget', '1m'])).toMatchObject({ code: 0 });
  });

  test('counts the time of an endpoint that was given up, but the failure decides the code', async ({
    serve,
    command,
    expect,
  }) => {
    const server = withGap(await serve());
    const options = ['devices', '/nope', '--duration', '3s', '--gap-budget', '700ms'];
    const { code, stderr } = await command.runTail(server, options);
    expect(code).toBe(4);
    // The second endpoint never opened, so the whole time is missing.
    expect(stderr).toMatch(/^outages of (3|[23]\.\d)s in all, but --gap-budget allows 700ms$/m);
    expect(stderr).toMatch(/^opmas-ws: gave up on \/nope/m);
  });

  test('goes before events that did not come: they may have been missed', async ({
    serve,
    command,
    expect,
  }) => {
    const server = withGap(await serve());
    const { code, stderr } = await command.runTail(server, [
      '-n',
      '9',
      '--duration',
      '2s',
      '--gap-budget',
      '0s',
    ]);
    expect(code).toBe(8);
    expect(stderr).toMatch(new RegExp(`opmas-ws: 2 of 9 events .*; ${OVER.source}\n$`));
  });

  test('is reported when a signal ends the command, by that signal', async ({ serve, command, expect }) => {
    const server = withGap(await serve());
    const tail = command.tail(server, ['--gap-budget', '0s']);
    await tail.messages.next((line) => line.includes('back after'));
    tail.child.kill('SIGTERM');
    const { signal, stderr } = await tail.ended;
    expect(signal).toBe('SIGTERM');
    expect(stderr).toMatch(new RegExp(`\n${OVER.source}\n$`));
  });

  test('is a usage error for recordings, which inspect judges', async ({ command, expect }) => {
    const { code, stderr } = await command.sandbox.run(['tail', '--file', 'x.ndjson', '--gap-budget', '1s']);
    expect(code).toBe(2);
    expect(stderr).toContain('opmas-ws inspect --gap-budget');
  });
});

test('--gap-budget of inspect judges a recording, after its report', async ({ command, expect }) => {
  const { sandbox } = command;
  const line = (second: string, endpoint: string, connection: string) =>
    `{"received_at":"2026-11-22T21:50:${second}.000000Z","connection":{${connection}},"endpoint":"${endpoint}"}\n`;
  const endpoints = ['devices', 'rules'];
  const open = endpoints.map((name) => line('00', name, '"state":"open"'));
  const back = endpoints.map((name) =>
    line('30', name, '"state":"open","gap_since":"2026-11-22T21:50:10.000000Z"'),
  );
  writeFileSync(join(sandbox.home, 'x.ndjson'), [...open, ...back].join(''));
  writeFileSync(join(sandbox.home, 'events.ndjson'), '{"type":"device.error"}\n');
  const inspect = (...args: string[]) => sandbox.run(['inspect', ...args]);
  // Two gaps of 20 s at the same time.
  expect(await inspect('x.ndjson', '--gap-budget', '20s')).toMatchObject({ code: 0 });
  const over = await inspect('x.ndjson', '--json', '--gap-budget', '19.999s');
  expect(over).toMatchObject({ code: 8, stderr: expect.stringMatching(/of 20\.000s in all.* allows 20s/) });
  expect(JSON.parse(over.stdout)).toMatchObject({ gap_seconds: 40, outages: [{ seconds: 20, endpoints }] });
  const unknown = await inspect('events.ndjson', '--gap-budget', '0s');
  expect(unknown).toMatchObject({ code: 0, stderr: expect.stringContaining('its gaps are not known') });
});
