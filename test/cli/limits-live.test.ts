import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { close, event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';
import { SHUTDOWN_MS } from '../support/time-limits.js';
import { meter, type Usage } from '../support/usage.js';

const MB = 1024 * 1024;
const list = (count: number, item: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => item(index)).join(',');

/** Messages that cost more than others of their length, of so many MB each. */
const hostile = (size: number): string[] => [
  `{"type":"a","data":{${list(size * 80_000, (i) => `"k${i}":1`)}}}`,
  `{"type":"a","data":{"x":"${'y'.repeat(size * MB)}",${list(400, (i) => `"k${i}":1e16`)}}}`,
  `{"type":"a","data":{"${'k'.repeat(size * MB)}":{${list(size * 2000, (i) => `"a${i}":1`)}}}}`,
  `{"type":"a","data":{"x":"${'\\u0007\u200b'.repeat(size * 100_000)}"}}`,
  `{"type":"a","data":{"x":"e${'\u0301'.repeat(size * 400_000)}"}}`,
  `{"type":"${'t'.repeat(size * MB)}","subject":"${'s.'.repeat(size * 400_000)}"}`,
  `{"type":"a","data":${'['.repeat(size * 400_000)}${']'.repeat(size * 400_000)}}`,
  `{"type":"a","data":[${list(size * 300_000, () => '{}')}]}`,
  `{"endpoint":"x","received_at":"y","data":{"x":"${'\\"'.repeat(size * 400_000)}"}}`,
  `not JSON ${'\\u0001'.repeat(size * 150_000)}`,
];

const commands: [name: string, args: string[]][] = [
  ['tail -f json', ['tail', '-f', 'json', '--lifecycle']],
  ['tail -f pretty', ['tail', '-f', 'pretty', '--lifecycle']],
  ['tail -w', ['tail', '-w', 'data.x.contains("zz") || event.type != "a"']],
  ['record', ['record', '-o', 'a.ndjson']],
];
const LAST = 'the last one';
const quick = ['--retry-delay', '20ms', '--retry-max', '20ms'];

// They measure, so nothing runs beside them.
describe('whatever a server sends', () => {
  test.for(commands)(
    'costs %s work in proportion, and it ends when asked to',
    async ([name, args], { serve, command, expect }) => {
      const run = async (size: number): Promise<Usage & { endMs: number }> => {
        const { environment, read } = meter(command.sandbox);
        const server = await serve();
        const running = command.start(
          [...args, 'devices', '-u', server.url, '--force', ...quick].filter(
            (arg) => arg !== '--force' || name === 'record',
          ),
          { environment },
        );
        const refused = await server.request();
        refused.respond(
          '503 Service Unavailable',
          [`X-Long: ${'h'.repeat(4000 * size)}`],
          'b'.repeat(size * MB),
        );
        const closed = await server.request();
        closed.accept(text(event(1)), close(1001, 'ä'.repeat(61)));
        const client = await server.request();
        client.accept();
        for (const message of hostile(size)) client.text(message);
        client.text(event(2, LAST));
        await client.roundTrips(1);
        const start = performance.now();
        running.child.kill('SIGTERM');
        const { signal, stderr } = await running.ended;
        const endMs = performance.now() - start;
        expect(signal, stderr).toBe('SIGTERM');
        expect(stderr).not.toMatch(/bug in/);
        return { ...read(), endMs };
      };
      const before = await run(0.25);
      const after = await run(1);
      expect(after.cpuSeconds).toBeLessThan(6 * before.cpuSeconds);
      expect(after.memoryMb).toBeLessThan(before.memoryMb + 250);
      expect(Math.max(before.endMs, after.endMs)).toBeLessThan(SHUTDOWN_MS);
    },
  );

  test('does not keep a replay of it from ending', async ({ command, expect }) => {
    const { sandbox } = command;
    const head = '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices",';
    const lines = [
      event(1),
      ...hostile(1).filter((message) => message.startsWith('{"type"')),
      event(2, LAST),
    ];
    const content = lines.map((line) => `${head}${line.slice(1)}\n`).join('');
    writeFileSync(join(sandbox.home, 'a.ndjson'), content);
    const { environment, read } = meter(sandbox);
    const replay = command.start(['replay', 'a.ndjson', '-p', '0', '--speed', 'max'], { environment });
    const { listening, token } = JSON.parse(await replay.lines.next());
    const { code, stdout } = await sandbox.run(
      ['tail', 'devices', '-u', listening, '-n', String(lines.length)],
      {
        environment: { OPMAS_TOKEN: token },
      },
    );
    expect([code, stdout.includes(LAST)]).toEqual([0, true]);
    const start = performance.now();
    replay.child.kill('SIGTERM');
    expect(await replay.ended).toMatchObject({ signal: 'SIGTERM' });
    expect(performance.now() - start).toBeLessThan(SHUTDOWN_MS);
    expect(read().memoryMb).toBeLessThan(400);
  });
});
