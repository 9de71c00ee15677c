import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serveRecording } from '../../src/index.js';
import { Sandbox } from './sandbox.js';

const event = (subject: string, pad = '') =>
  `{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","type":"a","subject":"${subject}","pad":"${pad}"}\n`;

describe('what users of curl, jq and logrotate expect', () => {
  it('splits subjects at commas', async () => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'a.ndjson'), event('x.1') + event('y.1') + event('z.1'));
    const { stdout } = await sandbox.run(['tail', '--file', 'a.ndjson', '-s', 'x.*, y.1']);
    expect(stdout.trim().split('\n')).toHaveLength(2);
  });

  it.each([
    [['tail', '--duration', '0s'], /--duration must not be zero/],
    [['tail', '--file', 'a.ndjson', '--duration', '0s'], /--duration must not be zero/],
    [['record', '-o', '/dev/stdout'], /"\/dev\/stdout" is not a file[\s\S]*tail -f json --lifecycle/],
    [['tail', '-w', 'data.x.foo("a")'], /--where: there is no function foo\(\)/],
    [['tail', '-w', 'foo(data.x)'], /--where: there is no function foo\(\)/],
    [['tail', '-w', 'subject.startsWith(1)'], /--where: startsWith\(\) does not take these arguments/],
    [['tail', '-w', Array(300).fill('data.x==1').join('||')], /--where: the expression is too long/],
    [['tail', '-w', `${'('.repeat(60)}true${')'.repeat(60)}`], /nested more than 50 levels/],
  ])('says in its own words what is wrong: %j', async (args, message) => {
    using sandbox = new Sandbox();
    const { code, stderr } = await sandbox.run(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('opens no debugger on SIGUSR1', async () => {
    using sandbox = new Sandbox();
    const mock = sandbox.start(['mock', '-p', '0']);
    await mock.lines.next();
    mock.child.kill('SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    mock.child.kill('SIGTERM');
    expect((await mock.ended).stderr).not.toMatch(/Debugger/i);
  });

  it('sends a message of 20 MB to a client that reads all the time', async () => {
    using sandbox = new Sandbox();
    const path = join(sandbox.home, 'a.ndjson');
    writeFileSync(path, event('big', 'x'.repeat(20_000_000)) + event('small'));
    await using server = await serveRecording(path, { port: 0 });
    const { code, stdout, stderr } = await sandbox.run(
      [
        'tail',
        'devices',
        '-u',
        server.url,
        '-n',
        '2',
        '--max-message',
        '48MiB',
        '--duration',
        '20s',
        '-f',
        'json',
      ],
      { environment: { OPMAS_TOKEN: server.token } },
    );
    expect([code, stdout.length > 20_000_000, stderr]).toEqual([
      0,
      true,
      expect.not.stringContaining('1013'),
    ]);
  }, 30_000);
});
