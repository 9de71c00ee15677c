import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Sandbox } from './sandbox.js';

const EVENT = '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","type":"a"}\n';

/** Ways to make a program wait forever, or read without end. */
const traps: [name: string, plant: (path: string) => void][] = [
  ['a named pipe', (path) => expect(spawnSync('mkfifo', [path]).status).toBe(0)],
  ['a link to /dev/zero', (path) => symlinkSync('/dev/zero', path)],
  ['a folder', (path) => mkdirSync(path)],
];

describe.skipIf(process.platform === 'win32')('files that somebody else has planted', () => {
  const record = ['record', '-o', 'a.ndjson', '-u', 'ws://127.0.0.1:9', '--no-token', '--no-reconnect'];

  it.each(traps)(
    '%s as the lock of a recording is an error in a second',
    async (_, plant) => {
      using sandbox = new Sandbox();
      plant(join(sandbox.home, 'a.ndjson.lock'));
      const { code, stderr } = await sandbox.run(record, { through: ['timeout', '10'] });
      expect([code, stderr]).toEqual([5, expect.stringContaining('a.ndjson')]);
      expect(existsSync(join(sandbox.home, 'a.ndjson'))).toBe(false);
    },
    15_000,
  );

  it.each(traps)(
    '%s as the page of a report is an error in a second',
    async (_, plant) => {
      using sandbox = new Sandbox();
      writeFileSync(join(sandbox.home, 'a.ndjson'), EVENT);
      plant(join(sandbox.home, 'a.html'));
      const { code } = await sandbox.run(['inspect', 'a.ndjson', '--html', 'a.html'], {
        through: ['timeout', '10'],
      });
      expect([2, 5]).toContain(code);
    },
    15_000,
  );

  it.each(traps)(
    '%s as the configuration is an error in a second',
    async (_, plant) => {
      using sandbox = new Sandbox();
      const path = join(sandbox.home, '.config/opmas-ws/config.json');
      mkdirSync(dirname(path), { recursive: true });
      plant(path);
      const { code, stderr } = await sandbox.run(['context', 'list'], { through: ['timeout', '10'] });
      expect([code, stderr]).toEqual([5, expect.stringContaining('config.json')]);
    },
    15_000,
  );

  it('temporary files of others are neither used nor deleted', async () => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'a.ndjson'), EVENT);
    const started = sandbox.start(['inspect', 'a.ndjson', '--html', 'a.html'], {
      through: ['bash', '-c', 'echo mine > a.html.$$.tmp; exec "$@"', 'bash'],
    });
    const { code } = await started.ended;
    expect(code).toBe(0);
    expect(readFileSync(join(sandbox.home, `a.html.${started.child.pid}.tmp`), 'utf8')).toBe('mine\n');
  });

  it('a stored login that others may read is used with a warning that says how to mend it', async () => {
    using sandbox = new Sandbox();
    const path = join(
      sandbox.home,
      '.local/share/opmas-ws/credentials',
      `${encodeURIComponent('ws://localhost:8000')}.json`,
    );
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ access_token: 'abcdefgh' }));
    chmodSync(path, 0o644);
    for (const args of [
      ['auth', 'token'],
      ['auth', 'status'],
    ]) {
      const { code, stdout, stderr } = await sandbox.run(args);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/abcdefgh|credentials/)]);
      expect(stderr).toMatch(
        /warning: other users of this machine may read the stored login; run: chmod 600 /,
      );
    }
    chmodSync(path, 0o600);
    expect((await sandbox.run(['auth', 'token'])).stderr).toBe('');
  });
});
