import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventLine, numbered, numberedLines, stamp } from '../support/recordings.js';
import { Sandbox } from './sandbox.js';

describe('tail --file', () => {
  it('prints matching events, and ends', async () => {
    using sandbox = new Sandbox();
    const lines = [...numberedLines(0, 3, 10, 'devices'), ...numberedLines(3, 5, 10, 'agents')];
    writeFileSync(join(sandbox.home, 'capture.ndjson'), lines.map((line) => `${line}\n`).join(''));
    const all = await sandbox.run(['tail', '--file', 'capture.ndjson']);
    expect(all).toMatchObject({ code: 0, stdout: lines.map((line) => `${line}\n`).join('') });
    const some = await sandbox.run(['tail', 'agents', '-n', '1', '--file', 'capture.ndjson']);
    expect(some).toMatchObject({ code: 0, stdout: `${lines[3]}\n` });
    expect(some.stderr).toMatch(/^1 event in /);
  });

  it('keeps problems and their ends with --problems, and counts the problems of each device', async () => {
    using sandbox = new Sandbox();
    const device = (at: number, data: object) =>
      eventLine(at, JSON.stringify({ type: 'device.status_update', subject: 'd.gw-2', data }));
    const kept = [
      device(1, { device_id: 'ap-7', status: 'offline' }),
      device(2, { device_id: 'ap-7', status: 'unreachable' }),
      device(3, { status: 'critical' }),
      device(4, { device_id: 'ap-7', status: 'online', previous_status: 'offline' }),
    ];
    const all = [device(0, { status: 'online' }), ...kept, device(5, { status: 'degraded' })];
    writeFileSync(join(sandbox.home, 'capture.ndjson'), all.map((line) => `${line}\n`).join(''));
    const { code, stdout, stderr } = await sandbox.run(['tail', '--file', 'capture.ndjson', '--problems']);
    expect([code, stdout]).toEqual([0, kept.map((line) => `${line}\n`).join('')]);
    expect(stderr).toMatch(/^4 events in \S+, problems: ap-7 2, gw-2 1\n$/);
  });

  it('follows a recording from its last events on until Ctrl-C, with the events around problems', async () => {
    using sandbox = new Sandbox();
    const path = join(sandbox.home, 'capture.ndjson');
    const lines = Array.from({ length: 9 }, (_, n) =>
      eventLine(n * 1000, numbered(n, 'devices', n === 6 ? 'device.error' : 'a.b')),
    );
    const text = (from: number, to: number) =>
      lines
        .slice(from, to)
        .map((line) => `${line}\n`)
        .join('');
    writeFileSync(path, text(0, 5));
    const around = ['-t', 'device.error', '--before', '2', '--after', '1', '--from', '1s'];
    const running = sandbox.start(['tail', '--file', 'capture.ndjson', '--follow', ...around]);
    // Nothing tells that it waits; an earlier write would be read as well.
    appendFileSync(path, text(5, 9));
    expect([await running.lines.next(), await running.lines.next()]).toEqual(lines.slice(4, 6));
    expect([await running.lines.next(), await running.lines.next()]).toEqual(lines.slice(6, 8));
    running.child.kill('SIGINT');
    const { signal, stdout, stderr } = await running.ended;
    expect([signal, stdout]).toEqual(['SIGINT', text(4, 8)]);
    expect(stderr).toMatch(/^1 event in \S+, 3 around them\n$/);
  });

  it('says what came before a failure ended it, when it follows', async () => {
    using sandbox = new Sandbox();
    const newer = `{"received_at":"${stamp(9)}","connection":{"state":"connecting","recorder":"opmas-ws/9.0.0","format":99},"endpoint":"devices"}`;
    writeFileSync(join(sandbox.home, 'capture.ndjson'), `${eventLine(0, numbered(0))}\n${newer}\n`);
    const { code, stderr } = await sandbox.run(['tail', '--file', 'capture.ndjson', '--follow']);
    expect(code).toBe(6);
    expect(stderr).toMatch(/^1 event in \S+\nopmas-ws: capture.ndjson:2: format 99/);
  });

  it('ends with 7 when the recording has fewer events than --count', async () => {
    using sandbox = new Sandbox();
    const lines = numberedLines(0, 3, 10).map((line) => `${line}\n`);
    writeFileSync(join(sandbox.home, 'capture.ndjson'), lines.join(''));
    const { code, stdout, stderr } = await sandbox.run(['tail', '-n', '4', '--file', 'capture.ndjson']);
    expect([code, stdout]).toEqual([7, lines.join('')]);
    expect(stderr).toMatch(/3 of 4 events had come when the recording ended/);
    const enough = await sandbox.run(['tail', '-n', '3', '--file', 'capture.ndjson']);
    expect([enough.code, enough.stdout]).toEqual([0, lines.join('')]);
  });

  it('says which endpoints a recording has when it has none of those that were named', async () => {
    using sandbox = new Sandbox();
    const lines = numberedLines(0, 3, 10).map((line) => `${line}\n`);
    writeFileSync(join(sandbox.home, 'capture.ndjson'), lines.join(''));
    const { code, stderr } = await sandbox.run(['tail', 'agents', 'rules', '--file', 'capture.ndjson']);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^warning: no event is from agents, rules; the recording has devices\n0 events in/,
    );
  });

  it.each(['1.5s', '30d', '60d'])('is not cut short by a --duration of %s', async (duration) => {
    using sandbox = new Sandbox();
    const lines = numberedLines(0, 3, 10, 'devices');
    writeFileSync(join(sandbox.home, 'capture.ndjson'), lines.map((line) => `${line}\n`).join(''));
    const { code, stdout } = await sandbox.run(['tail', '--file', 'capture.ndjson', '--duration', duration]);
    expect([code, stdout]).toEqual([0, lines.map((line) => `${line}\n`).join('')]);
  });

  it('ends after --duration, however long its input lasts', async () => {
    using sandbox = new Sandbox();
    const startedAt = performance.now();
    const { code, stderr } = await sandbox.run(['tail', '--file', '-', '--duration', '100.5ms'], {
      through: ['bash', '-c', 'exec "$@" < <(exec sleep 30 2>/dev/null)', 'bash'],
    });
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^0 events in /);
  });

  it('names a file that is not there, and says nothing of events', async () => {
    using sandbox = new Sandbox();
    const { code, stdout, stderr } = await sandbox.run(['tail', '--file', 'nothing.ndjson']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/nothing\.ndjson: there is no such file\n {2}Recordings are made with/);
    expect(stderr).not.toMatch(/event/);
  });

  it.each([
    ['tail', '--file', ''],
    ['replay', ''],
    ['inspect', 'a.ndjson', ''],
  ])('%s %s says that a name is empty: a variable is not set', async (...words) => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'a.ndjson'), '{"type":"x"}\n');
    const { code, stderr } = await sandbox.run(words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^opmas-ws: the name of a file is empty\n/)]);
  });

  it.each([
    [['tail', '--file'], 'opmas-ws tail --file -'],
    [['top', '--file'], 'opmas-ws top --file -'],
    [['wait', '--file'], 'opmas-ws wait --file -'],
    [['replay'], 'opmas-ws replay -'],
    [['inspect'], 'opmas-ws inspect -'],
  ])('%j says how to read a compressed recording with the same command', async (words, again) => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'a b.zst'), Buffer.from('KLUv/SQ=', 'base64'));
    const { code, stderr } = await sandbox.run([...words, 'a b.zst']);
    expect([code, stderr]).toEqual([
      6,
      expect.stringContaining(`Unpack it: zstd -dc "a b.zst" | ${again}\n`),
    ]);
  });
});

describe('options of a stream', () => {
  it.each(['--retry-delay', '--retry-max', '--heartbeat', '--dead-after', '--connect-timeout'])(
    '%s 0s is a usage error: it would hammer the server or end at once',
    async (option) => {
      using sandbox = new Sandbox();
      const { code, stderr } = await sandbox.run(['tail', option, '0s', '--no-token']);
      expect(code).toBe(2);
      expect(stderr).toBe(`opmas-ws: ${option} must not be zero\n`);
    },
  );

  it('a proxy that cannot be understood is a usage error before anything connects', async () => {
    using sandbox = new Sandbox({ HTTP_PROXY: 'garbage:://x' });
    const { code, stderr } = await sandbox.run([
      'tail',
      '--no-token',
      '--plaintext',
      '-u',
      'ws://opmas.invalid',
    ]);
    expect(code).toBe(2);
    expect(stderr).not.toMatch(/\d events|garbage/);
  });

  it.skipIf(!existsSync('/dev/full'))('reports that help cannot be written', async () => {
    using sandbox = new Sandbox();
    const { code, stderr } = await sandbox.run(['tail', '--help'], {
      through: ['bash', '-c', 'exec "$@" > /dev/full', 'bash'],
    });
    expect(code).toBe(5);
    expect(stderr).toContain('cannot write to stdout');
  });
});
