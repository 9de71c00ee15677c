import { spawnSync } from 'node:child_process';
import { readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';
import { eventually } from '../support/time-limits.js';

const canUnshare = spawnSync('unshare', ['--pid', '--uts', '--fork', '--mount-proc', 'true']).status === 0;

/** Runs a command as process 1 of a container of its own. */
const inContainer = (host: string) => [
  ...['unshare', '--pid', '--uts', '--fork', '--mount-proc', '--kill-child'],
  ...['sh', '-c', `hostname ${host}; exec "$@"`, 'sh'],
];

describe.runIf(canUnshare)(
  'recorders in containers (needs the right to unshare)',
  { concurrent: true },
  () => {
    test.for([
      ['of one name', 'same'],
      ['of different names', 'other'],
    ])('%s: a live one keeps its file', async ([, host], { serve, command, expect }) => {
      const server = await serve();
      const words = ['record', 'devices', '-u', server.url, '-o', 'x.ndjson', '--append', '--tail'];
      const first = command.start(words, { through: inContainer('same') });
      (await server.request()).accept(text(event(1)));
      await first.lines.next();
      const { code, stderr } = await command.start(words, { through: inContainer(host!) }).ended;
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(/x\.ndjson is in use by pid 1 (in another|on same)/),
      ]);
      first.child.kill();
    });

    test('the next one goes on after one that was killed', async ({ serve, command, expect }) => {
      const server = await serve();
      const words = ['record', 'devices', '-u', server.url, '-o', 'x.ndjson', '--append', '--tail'];
      const first = command.start(words, { through: inContainer('c1') });
      (await server.request()).accept(text(event(1)));
      await first.lines.next();
      const path = join(command.sandbox.home, 'x.ndjson');
      await eventually(() => expect(readFileSync(path, 'utf8')).toContain('"number":1'));
      first.child.kill('SIGKILL');
      await first.ended;
      // Most of its lease is over.
      const lock = join(command.sandbox.home, 'x.ndjson.lock');
      const age = () => {
        const past = new Date(Date.now() - 27_000);
        utimesSync(lock, past, past);
      };
      age();
      // Until the next one is there, however long that takes.
      const aging = setInterval(age, 500);
      const second = command.start([...words, '-n', '1'], { through: inContainer('c2') });
      await second.messages.next((line) => /is locked by pid 1 on c1; waiting up to \d s/.test(line));
      clearInterval(aging);
      (await server.request()).accept(text(event(2)));
      expect(await second.ended).toMatchObject({ code: 0 });
      const recorded = readFileSync(path, 'utf8');
      expect(recorded.match(/"number":\d/g)).toEqual(['"number":1', '"number":2']);
    });
  },
);

describe.runIf(canUnshare)(
  'a token file of a container (needs the right to unshare)',
  { concurrent: true },
  () => {
    test.for([
      ['has no advice about its mode when its mount is read-only', 'mount -o remount,ro m', ''],
      ['has advice when its mode can be changed', ':', 'warning: other users of this machine may read'],
    ] as const)('%s', async ([, remount, warning], { command, expect }) => {
      const script = `mkdir m; mount -t tmpfs tmpfs m; echo abc > m/t; chmod 444 m/t; ${remount}; exec "$@"`;
      const { stdout, stderr } = await command.start(['auth', 'token', '--token-file', 'm/t'], {
        through: ['unshare', '-m', 'sh', '-c', script, 'sh'],
      }).ended;
      expect(stdout).toBe('abc\n');
      expect(stderr.slice(0, warning.length || undefined)).toBe(warning);
    });
  },
);
