import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import {
  type ConnectionEvent,
  formatTimestamp,
  type LifecycleEntry,
  type LineBatch,
  openRecording,
  type RecordOptions,
  readRecording,
} from '../../../src/index.js';
import { eventually } from '../../support/time-limits.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-writer-'));
});
afterAll(() => rm(folder, { recursive: true }));

const flushed = { finishFlush: constants.Z_SYNC_FLUSH };
let names = 0;
/** A path in a folder of its own, away from the files and locks of other tests. */
async function fresh(name = 'capture.ndjson'): Promise<string> {
  const own = join(folder, String(names++));
  await mkdir(own);
  return join(own, name);
}

function event(at: number, pad = 20): string {
  return `{"received_at":"${formatTimestamp(at)}","endpoint":"devices","type":"device.error","n":${at},"pad":"${'p'.repeat(pad)}"}\n`;
}
function batch(...lines: string[]): LineBatch {
  const lifecycle: LifecycleEntry[] = [];
  let end = 0;
  for (const line of lines) {
    const start = end;
    end += Buffer.byteLength(line);
    const { endpoint, connection } = JSON.parse(line);
    if (connection !== undefined) lifecycle.push({ endpoint, connection, start, end });
  }
  return { bytes: Buffer.from(lines.join('')), count: lines.length, lifecycle };
}
function lifecycle(at: number, endpoint: string, state: 'connecting' | 'open' | 'closed'): string {
  const states: Record<typeof state, ConnectionEvent> = {
    connecting: { state: 'connecting', attempt: 1, url: 'ws://x/', recorder: 'opmas-ws/0', format: 1 },
    open: { state: 'open' },
    closed: { state: 'closed', code: 1006, reason: '' },
  };
  return formatLifecycleLine(formatTimestamp(at), endpoint, states[state]).toString();
}

async function record(path: string, batches: LineBatch[], options: RecordOptions = {}) {
  const writer = await openRecording(path, options);
  try {
    for (const one of batches) await writer.write(one);
  } finally {
    await writer.close();
  }
  return writer;
}

async function eventsOf(...paths: string[]): Promise<number[]> {
  const events: number[] = [];
  const keep = ({ kind, frame }: { kind: string; frame: { value: Record<string, unknown> } }) => {
    if (kind === 'event') events.push(frame.value.n as number);
    return false;
  };
  for await (const _ of readRecording(paths, { strict: true, keep })) throw new Error('nothing is kept');
  return events;
}

describe.concurrent.each(['capture.ndjson', 'capture.ndjson.gz'])('reopening %s', (name) => {
  const begin = batch(lifecycle(0, 'devices', 'connecting'), lifecycle(0, 'devices', 'open'), event(1));

  async function opened(options: RecordOptions = {}) {
    const path = await fresh(name);
    const notices: string[] = [];
    const onNotice = (notice: string) => void notices.push(notice);
    const writer = await openRecording(path, { ...options, onNotice });
    await writer.write(begin);
    return { path, writer, notices, old: path.replace('capture', 'old'), folder: join(path, '..') };
  }
  const textOf = async (path: string) => {
    const bytes = await readFile(path);
    return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  };

  test('after a renaming: the old file is complete, the new one begins with the connections', async () => {
    const { path, old, writer, notices, folder } = await opened({ mode: 0o640 });
    await writer.reopen();
    expect([writer.wasMoved, await readdir(folder)]).toEqual([false, [name, `${name}.lock`]]);
    await rename(path, old);
    expect(writer.wasMoved).toBe(true);
    await writer.write(batch(event(2)));
    await Promise.all([writer.reopen(), writer.reopen(), writer.write(batch(event(3)))]);
    expect(writer.wasMoved).toBe(false);
    expect(await eventsOf(old)).toEqual([1, 2]);
    await writer.write(batch(event(4)));
    await writer.close();
    expect(await eventsOf(path)).toEqual([3, 4]);
    const [connecting, open, ...events] = (await textOf(path)).split('\n');
    // With the time of the line that follows.
    expect(connecting).toMatch(/^\{"received_at":"1970-01-01T00:00:00.000003Z".*"continued":true/);
    expect(open).toContain('"state":"open","continued":true');
    expect(events).toHaveLength(3);
    expect([(await stat(path)).mode & 0o777, notices, writer.lines]).toEqual([0o640, [], 6]);
    expect([writer.files, writer.size]).toEqual([2, statSync(old).size + statSync(path).size]);
    expect((await readdir(folder)).sort()).toEqual([name, old.slice(folder.length + 1)]);
  });

  test('again and again while lines come: none is lost or doubled', async () => {
    const { path, writer, folder } = await opened({ rotateBytes: 2000 });
    for (let n = 2; n <= 200; n++) {
      void writer.write(batch(event(n, n % 40)));
      if (n % 9 !== 0) continue;
      await rename(path, join(folder, `capture.part${n}${name.slice(7)}`)).catch(() => undefined);
      const reopened = writer.reopen();
      if (n % 2 === 0) await reopened;
    }
    await writer.close();
    const files = (await readdir(folder)).map((file) => join(folder, file));
    expect(files.length).toBeGreaterThan(10);
    const all = (await Promise.all(files.map((file) => eventsOf(file)))).flat();
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
  });

  test('takes an empty file that is there, with its mode, and adds to a recording that is there', async () => {
    const { path, old, writer, folder } = await opened();
    await rename(path, old);
    await writeFile(path, '');
    await chmod(path, 0o640);
    await writer.reopen();
    await writer.write(batch(event(2)));
    await rename(path, `${old}.2`);
    await record(join(folder, `other${name.slice(7)}`), [batch(event(3))]);
    await rename(join(folder, `other${name.slice(7)}`), path);
    await writer.reopen();
    await writer.write(batch(event(4)));
    await writer.close();
    expect([(await stat(`${old}.2`)).mode & 0o777, await eventsOf(path)]).toEqual([0o640, [3, 4]]);
    expect((await textOf(path)).match(/"continued":true/g)).toHaveLength(2);
  });

  test('while no line comes: the new file tells of the connections soon, and only once when it is emptied', async () => {
    const { path, old, writer, folder, notices } = await opened();
    await rename(path, old);
    await record(join(folder, `other${name.slice(7)}`), [batch(event(3))]);
    await rename(join(folder, `other${name.slice(7)}`), path);
    await writer.reopen();
    truncateSync(path, 0);
    await eventually(() => expect(notices).toHaveLength(1));
    await eventually(() => expect(statSync(path).size).toBeGreaterThan(0));
    await rename(path, `${old}.2`);
    await writer.reopen();
    await eventually(() => expect(statSync(path).size).toBeGreaterThan(50));
    await writer.close();
    for (const part of [`${old}.2`, path]) {
      expect([await eventsOf(part), (await textOf(part)).match(/"continued":true/g)]).toEqual([
        [],
        ['"continued":true', '"continued":true'],
      ]);
    }
  });

  test('and closing before any line: the new file tells of the connections', async () => {
    const { path, old, writer } = await opened();
    await rename(path, old);
    await writer.reopen();
    await writer.close();
    expect(await eventsOf(old)).toEqual([1]);
    expect((await textOf(path)).match(/"continued":true/g)).toHaveLength(2);
    expect([writer.lastName, writer.files]).toEqual([path, 2]);
  });

  test('keeps an empty file that is there when no line comes', async () => {
    const { path, old, writer, folder } = await opened();
    await rename(path, old);
    await writeFile(path, '');
    await writer.reopen();
    await writer.close();
    expect((await readdir(folder)).sort()).toEqual([name, old.slice(folder.length + 1)]);
  });

  test('leaves a file of another kind alone: goes on in the old one until that file has gone', async () => {
    const { path, old, writer, notices } = await opened({ rotateBytes: 200 });
    await rename(path, old);
    await writeFile(path, 'mine');
    await expect(writer.reopen()).rejects.toMatchObject({ code: 'DATA' });
    await writer.write(batch(event(2), event(3, 500), event(4)));
    expect([await readFile(path, 'utf8'), writer.wasMoved, notices]).toEqual(['mine', true, []]);
    await unlink(path);
    await eventually(() => expect(notices).toHaveLength(1));
    expect(notices[0]).toBe(`${path} was renamed; new lines go to a new ${path}`);
    await writer.write(batch(event(5)));
    await writer.close();
    expect([await eventsOf(old), await eventsOf(path)]).toEqual([[1, 2, 3, 4], [5]]);
  });

  test('of a file that was put back meanwhile is not needed any more', async () => {
    const { path, old, writer, notices, folder } = await opened({ rotateBytes: 300 });
    await rename(path, old);
    await mkdir(path);
    await expect(writer.reopen()).rejects.toMatchObject({ code: 'USAGE' });
    await rmdir(path);
    await rename(old, path);
    await eventually(async () => {
      await writer.write(batch(event(2, 200)));
      expect((await readdir(folder)).some((file) => file.startsWith('capture.000001'))).toBe(true);
    });
    await writer.close();
    expect(notices).toEqual([]);
  });

  test('in a new folder in the place of the old one: the lock goes along', async () => {
    const { path, writer, folder } = await opened();
    await rename(folder, `${folder}-old`);
    await expect(writer.reopen()).rejects.toThrow('its folder does not exist');
    await mkdir(folder);
    await writer.reopen();
    await expect(openRecording(path, { append: true })).rejects.toThrow(/is in use by pid/);
    await writer.write(batch(event(2)));
    await writer.close();
    expect([await readdir(`${folder}-old`), await readdir(folder)]).toEqual([[name], [name]]);
    expect(await eventsOf(path)).toEqual([2]);
  });

  test('after a deletion that it has noticed, too: goes back to the path', async () => {
    const { path, writer, notices } = await opened();
    await unlink(path);
    await writeFile(path, '');
    await eventually(() => expect(notices).toHaveLength(1));
    expect([writer.path === path, writer.wasMoved]).toEqual([false, true]);
    await writer.reopen();
    await writer.write(batch(event(2)));
    await writer.close();
    expect([writer.path, writer.wasMoved, await eventsOf(path)]).toEqual([path, false, [2]]);
  });
});

describe.concurrent('someone else', () => {
  async function afterInterference(path: string, options: RecordOptions, act: () => Promise<void>) {
    const notices: string[] = [];
    const writer = await openRecording(path, { ...options, onNotice: (notice) => notices.push(notice) });
    await writer.write(
      batch(lifecycle(0, 'devices', 'connecting'), lifecycle(0, 'devices', 'open'), event(1)),
    );
    await act();
    // Within 5 s on a machine that has nothing else to do.
    await eventually(() => expect(notices).toHaveLength(1), 9000);
    await writer.write(batch(event(2)));
    await writer.close();
    expect(notices).toHaveLength(1);
    return { notice: notices[0], writer };
  }

  test('deletes the file: noticed within 5 s, and a new file is begun', async () => {
    const path = await fresh();
    const { notice, writer } = await afterInterference(path, {}, () => unlink(path));
    expect(notice).toBe(`${path} was deleted, with all its lines; new lines go to a new ${path}`);
    expect(await eventsOf(path)).toEqual([2]);
    expect(await readFile(path, 'utf8')).toContain('"state":"open","continued":true');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(writer.lostLines).toBe(0);
  });

  test('deletes it and puts another file there: that file is left alone', async () => {
    const path = await fresh();
    const { writer } = await afterInterference(path, {}, async () => {
      await unlink(path);
      await writeFile(path, 'mine');
    });
    expect(await readFile(path, 'utf8')).toBe('mine');
    expect(writer.path).toBe(join(path, '../capture.000001.ndjson'));
    expect(await eventsOf(writer.path)).toEqual([2]);
  });

  test('deletes it just before a rotation or the end: reported all the same', async () => {
    for (const rotateMs of [1000, undefined]) {
      const path = await fresh();
      const notices: string[] = [];
      let now = 0;
      const clock = { nowMicros: () => 5, monotonicMs: () => now, sleep: async () => undefined };
      const writer = await openRecording(path, {
        rotateMs,
        clock,
        onNotice: (notice) => notices.push(notice),
      });
      await writer.write(batch(event(1)));
      await unlink(path);
      await writeFile(path, 'mine');
      now += 1001;
      await writer.write(batch(event(2)));
      await writer.close();
      const next = join(path, '../capture.000001.ndjson');
      const what = `${path} was deleted, with all its lines`;
      if (rotateMs === undefined) {
        expect(notices).toEqual([what]);
        expect([writer.files, writer.size]).toEqual([0, 0]);
      } else {
        expect(notices).toEqual([`${what}; new lines go to a new ${next}`]);
        expect(await eventsOf(next)).toEqual([2]);
        expect(writer.files).toBe(1);
      }
      expect(await readFile(path, 'utf8')).toBe('mine');
    }
  });

  test('renames it just before a rotation or the end: reported all the same', async () => {
    for (const rotateBytes of [100, undefined]) {
      const path = await fresh();
      const notices: string[] = [];
      const writer = await openRecording(path, { rotateBytes, onNotice: (notice) => notices.push(notice) });
      await writer.write(batch(event(1)));
      await rename(path, `${path}.old`);
      if (rotateBytes !== undefined) await writer.write(batch(event(2)));
      await writer.close();
      const next = rotateBytes === undefined ? '' : `; new lines go to a new ${path}`;
      expect(notices).toEqual([`${path} was renamed${next}`]);
      expect(await eventsOf(`${path}.old`)).toEqual([1]);
    }
  });

  test('renames it: new lines still go to it', async () => {
    const path = await fresh();
    const { notice } = await afterInterference(path, {}, () => rename(path, `${path}.old`));
    expect(notice).toBe(`${path} was renamed; new lines still go to it`);
    expect(await eventsOf(`${path}.old`)).toEqual([1, 2]);
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson.old']);
  });

  test('empties it: new lines go to its start, without a hole before them', async () => {
    const path = await fresh();
    const { notice } = await afterInterference(path, {}, () => truncate(path, 0));
    expect(notice).toMatch(/was cut short \(\d+ bytes\); new lines go to its end$/);
    expect(await eventsOf(path)).toEqual([2]);
    expect((await readFile(path)).includes(0)).toBe(false);
  });

  test('cuts it inside a line: the torn line is removed', async () => {
    const path = await fresh();
    await afterInterference(path, {}, () => truncate(path, statSync(path).size - 10));
    expect(await eventsOf(path)).toEqual([2]);
  });

  test('cuts a compressed file: the data begins anew in it', async () => {
    const path = await fresh('capture.ndjson.gz');
    const { writer } = await afterInterference(path, {}, async () => {
      await eventually(() => expect(statSync(path).size).toBeGreaterThan(20));
      await truncate(path, 5);
    });
    expect(writer.path).toBe(path);
    expect(await eventsOf(path)).toEqual([2]);
  });
});

describe.concurrent('a new recording', () => {
  test('has the lines in the file as soon as write resolves', async () => {
    const path = await fresh();
    const writer = await openRecording(path);
    await writer.write(batch(event(1)));
    expect(readFileSync(path, 'utf8')).toBe(event(1));
    await writer.close();
  });

  test('leaves no file when nothing came, but an empty file that was there stays', async () => {
    const path = await fresh();
    await record(path, []);
    expect(await readdir(join(path, '..'))).toEqual([]);
    await writeFile(path, '');
    await record(path, [], { append: true });
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
  });

  test('leaves an existing file alone', async () => {
    const path = await fresh();
    await writeFile(path, 'precious');
    await expect(openRecording(path)).rejects.toMatchObject({
      code: 'USAGE',
      message: `${path} exists`,
      hint: expect.stringContaining('`append`'),
    });
    expect(await readFile(path, 'utf8')).toBe('precious');
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
  });

  test('--force replaces an existing file, with mode 0600', async () => {
    const path = await fresh();
    await writeFile(path, 'worthless', { mode: 0o644 });
    await record(path, [batch(event(1))], { force: true });
    expect(await readFile(path, 'utf8')).toBe(event(1));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('--force keeps the old file until the first line is written', async () => {
    const path = await fresh();
    await writeFile(path, event(1));
    const nothing = await openRecording(path, { force: true });
    await nothing.close();
    expect(await readFile(path, 'utf8')).toBe(event(1));
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
    const writer = await openRecording(path, { force: true });
    expect(await readFile(path, 'utf8')).toBe(event(1));
    await writer.write(batch(event(2)));
    expect(await readFile(path, 'utf8')).toBe(event(2));
    await writer.write(batch(event(3)));
    await writer.close();
    expect(await readFile(path, 'utf8')).toBe(event(2) + event(3));
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
  });

  test('--force does not report the old file as deleted when someone deletes the new one before its first line', async () => {
    const path = await fresh();
    await writeFile(path, event(1));
    const notices: string[] = [];
    const writer = await openRecording(path, { force: true, onNotice: (notice) => notices.push(notice) });
    const [provisional] = (await readdir(join(path, '..'))).filter((entry) => entry.endsWith('.tmp'));
    await unlink(join(path, '..', provisional!));
    await delay(2500);
    expect([writer.wasMoved, notices, writer.files]).toEqual([false, [], 1]);
    // Its folder is there, so that is not the reason.
    await expect(writer.write(batch(event(2)))).rejects.toMatchObject({
      code: 'LOCAL',
      message: expect.stringMatching(
        /capture\.ndjson cannot be replaced: .*\.tmp, which .* has been deleted$/,
      ),
    });
    await writer.close();
    expect([await readFile(path, 'utf8'), await readdir(join(path, '..'))]).toEqual([
      event(1),
      ['capture.ndjson'],
    ]);
  });

  test('--force puts a compressed file in the place of the old one only with its first line in it', async () => {
    const path = await fresh('capture.ndjson.gz');
    await writeFile(path, gzipSync(event(1)));
    const writer = await openRecording(path, { force: true });
    await writer.write(batch(event(2)));
    const replaced = await readFile(path);
    expect(gunzipSync(replaced, flushed).toString()).toBe(event(2));
    await writer.close();
  });

  test('--force keeps the old file when the new one cannot be written, compressed or not', async () => {
    for (const name of ['capture.ndjson', 'capture.ndjson.gz']) {
      const path = await fresh(name);
      await writeFile(path, 'precious');
      const program = `
        import { openRecording } from ${JSON.stringify(join(import.meta.dirname, '../../../dist/index.js'))};
        const writer = await openRecording(${JSON.stringify(path)}, { force: true });
        const noise = Array.from({ length: 20_000 }, () => Math.random().toString(36)).join('');
        const line = '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","x":"' + noise + '"}\\n';
        const bytes = Buffer.from('{"n":1}\\n' + line);
        await writer.write({ bytes, count: 2 }).catch((error) => console.log(error.code));
        await writer.close();
        console.log(writer.lines);`;
      const limited = spawnSync(
        'bash',
        ['-c', 'ulimit -f 4; exec "$0" --input-type=module -e "$1"', process.execPath, program],
        { encoding: 'utf8' },
      );
      expect(limited.stdout).toBe('LOCAL\n0\n');
      expect(await readFile(path, 'utf8')).toBe('precious');
      expect(await readdir(join(path, '..'))).toEqual([name]);
    }
  });

  test('folders and symbolic links are refused, even with --force and --append', async () => {
    const path = await fresh();
    await mkdir(`${path}.d`);
    await symlink(path, `${path}.dangling`);
    await writeFile(`${path}.real`, event(1));
    await symlink(`${path}.real`, `${path}.link`);
    for (const [name, why] of [
      ['d', 'a folder'],
      ['dangling', 'a symbolic link'],
      ['link', 'a symbolic link'],
    ]) {
      for (const options of [{}, { force: true }, { append: true }]) {
        await expect(openRecording(`${path}.${name}`, options)).rejects.toMatchObject({
          code: 'USAGE',
          message: expect.stringContaining(`is ${why}`),
        });
      }
    }
    expect(await readFile(`${path}.real`, 'utf8')).toBe(event(1));
  });

  test('a file with hard links is not appended to, because the lock holds for one name only', async () => {
    const path = await fresh();
    await writeFile(path, event(1));
    await link(path, `${path}.other`);
    await expect(openRecording(`${path}.other`, { append: true })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('hard links'),
    });
    expect(await readFile(path, 'utf8')).toBe(event(1));
    expect((await readdir(join(path, '..'))).sort()).toEqual(['capture.ndjson', 'capture.ndjson.other']);
  });

  test('says in words why it cannot be created', async () => {
    const path = await fresh();
    for (const [name, why] of [
      ['nowhere/capture.ndjson', 'its folder does not exist'],
      ['n'.repeat(300), 'the name is too long'],
    ]) {
      await expect(openRecording(join(path, '..', name!))).rejects.toMatchObject({
        code: 'LOCAL',
        message: expect.stringContaining(why!),
      });
    }
  });

  test('can be /dev/null', async () => {
    const writer = await record('/dev/null', [batch(event(1), event(2))]);
    expect(writer.lines).toBe(2);
  });

  test('can be a named pipe: a slow reader gets all lines, and a missing reader is an error', async () => {
    const path = await fresh('pipe');
    await once(spawn('mkfifo', [path]), 'exit');
    await expect(openRecording(path)).rejects.toMatchObject({
      code: 'LOCAL',
      message: expect.stringContaining('without a reader'),
    });
    const lines = Array.from({ length: 3000 }, (_, i) => event(i));
    const reader = spawn('sh', ['-c', `exec < "$0"; sleep 0.2; cat`, path]);
    const chunks: Buffer[] = [];
    reader.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const isRead = once(reader, 'close');
    const writer = await record(path, [batch(...lines), batch(event(-1))]);
    await isRead;
    expect(Buffer.concat(chunks).toString()).toBe(lines.join('') + event(-1));
    expect(writer.lines).toBe(3001);
  });

  test('can be a named pipe for compressed lines', async () => {
    const path = await fresh('pipe.gz');
    await once(spawn('mkfifo', [path]), 'exit');
    const reader = spawn('cat', [path]);
    const chunks: Buffer[] = [];
    reader.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const isRead = once(reader, 'close');
    const notices: string[] = [];
    const writer = await openRecording(path, { onNotice: (notice) => notices.push(notice) });
    for (const at of [1, 2]) {
      await writer.write(batch(event(at)));
      await eventually(() =>
        expect(gunzipSync(Buffer.concat(chunks), flushed).toString()).toContain(event(at)),
      );
    }
    await writer.close();
    await isRead;
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe(event(1) + event(2));
    expect(notices).toEqual([]);
  });

  test('that cannot be created is a local error', async () => {
    await expect(openRecording(join(folder, 'no', 'such', 'folder'))).rejects.toMatchObject({
      code: 'LOCAL',
    });
    await expect(openRecording(join(folder, 'n'.repeat(300)))).rejects.toMatchObject({ code: 'LOCAL' });
  });

  test('has no use for options that exclude each other', async () => {
    const path = await fresh();
    await expect(openRecording(path, { append: true, force: true })).rejects.toMatchObject({ code: 'USAGE' });
    for (const mode of [0o400, 0o1600, 0.5]) {
      await expect(openRecording(path, { mode })).rejects.toMatchObject({ code: 'USAGE' });
    }
    await expect(openRecording('/dev/null', { rotateBytes: 10 })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe.concurrent('--append', () => {
  test('creates the file or adds to it', async () => {
    const path = await fresh();
    for (const at of [1, 2, 3]) await record(path, [batch(event(at))], { append: true });
    expect(await eventsOf(path)).toEqual([1, 2, 3]);
  });

  test('cuts a torn tail off first and reports it', async () => {
    for (const torn of [event(3).slice(0, 50), '{', '\0\0\0\0', `${'x'.repeat(200_000)}`]) {
      const path = await fresh();
      await writeFile(path, event(1) + event(2) + torn);
      const notices: string[] = [];
      await record(path, [batch(event(4))], { append: true, onNotice: (notice) => notices.push(notice) });
      expect(await readFile(path, 'utf8')).toBe(event(1) + event(2) + event(4));
      expect(notices).toEqual([`${path}: the last line was torn; its ${torn.length} bytes were cut off`]);
    }
  });

  test('keeps a last line that lacks only its line feed', async () => {
    const path = await fresh();
    await writeFile(path, event(1) + event(2).trimEnd());
    await record(path, [batch(event(3))], { append: true });
    expect(await eventsOf(path)).toEqual([1, 2, 3]);
  });

  test.each([
    ['text', 'Dear diary,\n', 'is not a recording'],
    ['foreign NDJSON', '{"level":"info"}\n', 'lines of other origin'],
    ['a newer format', lifecycle(1, 'rules', 'connecting').replace('"format":1', '"format":7'), 'newer'],
  ])('refuses %s and leaves it alone', async (_, content, why) => {
    const path = await fresh();
    await writeFile(path, content);
    await expect(openRecording(path, { append: true })).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringContaining(why),
    });
    expect(await readFile(path, 'utf8')).toBe(content);
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
  });
});

describe.concurrent('.gz', () => {
  test('is compressed, and further recordings append to it', async () => {
    const path = await fresh('capture.ndjson.gz');
    const lines = Array.from({ length: 2000 }, (_, i) => event(i));
    await record(path, [batch(...lines)]);
    await record(path, [batch(event(5000))], { append: true });
    const content = await readFile(path);
    expect(gunzipSync(content).toString()).toBe(lines.join('') + event(5000));
    expect(content.length).toBeLessThan(lines.join('').length / 5);
  });

  test('has its lines in the file while the recording goes on', async () => {
    const path = await fresh('capture.gz');
    const writer = await openRecording(path);
    await writer.write(batch(event(1)));
    await eventually(async () => expect(statSync(path).size).toBeGreaterThan(20));
    const kinds: string[] = [];
    for await (const { bytes } of readRecording([path], { onProblem: ({ kind }) => kinds.push(kind) })) {
      expect(bytes.toString()).toBe(event(1));
    }
    expect(kinds).toEqual(['torn gzip']);
    await writer.close();
    expect(await eventsOf(path)).toEqual([1]);
  });

  test('has the lines as they came, though their memory is used again before they are compressed', async () => {
    const path = await fresh('capture.gz');
    const writer = await openRecording(path);
    const one = batch(event(1));
    await writer.write(one);
    one.bytes.fill('x');
    await writer.close();
    expect(await eventsOf(path)).toEqual([1]);
  });

  test('begins with the connections after it was emptied, also before lines that wait', async () => {
    const path = await fresh('capture.ndjson.gz');
    const notices: string[] = [];
    const writer = await openRecording(path, { onNotice: (notice) => notices.push(notice) });
    await writer.write(batch(lifecycle(0, 'devices', 'connecting'), event(1)));
    await eventually(() => expect(statSync(path).size).toBeGreaterThan(50));
    await writer.write(batch(event(2)));
    truncateSync(path, 0);
    await eventually(() => expect(notices).toHaveLength(1));
    await writer.close();
    const lines = gunzipSync(await readFile(path))
      .toString()
      .split('\n');
    expect(lines[0]).toContain('"continued":true');
    expect(lines.slice(1)).toEqual([event(2).trim(), '']);
  });

  test('of one torn member is repaired wherever that begins in the blocks of a search', async () => {
    const noise = Array.from(
      { length: 100 },
      (_, n) => `{"n":${n},"x":"${randomBytes(900).toString('base64')}"}`,
    );
    const text = noise.map((line) => line.replace('{', '{"received_at":"2026-11-22T21:50:00.000000Z",'));
    const packed = gzipSync(`${text.join('\n')}\n`);
    for (const size of [65_536 - 4, 65_536, 65_536 + 4]) {
      expect(packed.length).toBeGreaterThan(size);
      const path = await fresh('capture.gz');
      await writeFile(path, packed.subarray(0, size));
      await record(path, [batch(event(777))], { append: true });
      const events = await eventsOf(path);
      expect([events.length > 50, events.at(-1)]).toEqual([true, 777]);
    }
  });

  test('has several members when it is long, and a torn last member is repaired before an append', async () => {
    const path = await fresh('capture.ndjson.gz');
    const batches = Array.from({ length: 100 }, (_, i) => batch(event(i, 100_000)));
    await record(path, batches);
    const whole = await readFile(path);
    for (const cut of [3, 30, 2000]) {
      await writeFile(path, whole.subarray(0, -cut));
      const notices: string[] = [];
      await record(path, [batch(event(777))], { append: true, onNotice: (notice) => notices.push(notice) });
      expect(notices).toEqual([`${path}: the gzip data was torn; all its whole lines were kept`]);
      const events = await eventsOf(path);
      expect(events.at(-1)).toBe(777);
      const kept = events.length - 1;
      expect(kept).toBeGreaterThan(cut < 10 ? 99 : 60);
      expect(events.slice(0, -1)).toEqual(Array.from({ length: kept }, (_, i) => i));
    }
  });

  test.each([
    ['capture.ndjson', gzipSync(event(1).repeat(50)), 'gzip data, but its name does not end in .gz'],
    ['capture.ndjson.gz', Buffer.from(event(1)), 'not gzip data, though its name ends in .gz'],
  ])('is recognized by the name: %s with other content is left alone', async (name, content, why) => {
    const path = await fresh(name);
    await writeFile(path, content);
    await expect(openRecording(path, { append: true })).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringContaining(why),
    });
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('of another program is appended to when it is whole, and left alone when it is torn', async () => {
    const path = await fresh('capture.ndjson.gz');
    const named = Buffer.from(gzipSync(event(1).trimEnd()));
    named.writeUInt32LE(1_700_000_000, 4);
    await writeFile(path, named);
    await record(path, [batch(event(2))], { append: true });
    expect(await eventsOf(path)).toEqual([1, 2]);
    const torn = named.subarray(0, -4);
    await writeFile(path, torn);
    await expect(openRecording(path, { append: true })).rejects.toMatchObject({ code: 'DATA' });
    expect((await readFile(path)).equals(torn)).toBe(true);
  });
});

describe.concurrent('the lock', () => {
  test('keeps a second recorder away until the first has closed', async () => {
    const path = await fresh();
    const first = await openRecording(path);
    for (const options of [{}, { append: true }, { force: true }]) {
      await expect(openRecording(path, options)).rejects.toMatchObject({
        code: 'LOCAL',
        message: `${path} is in use by pid ${process.pid}`,
      });
    }
    expect((await stat(`${path}.lock`)).mode & 0o777).toBe(0o600);
    await first.close();
    await record(path, [], { append: true });
  });

  test('does not count when its holder is dead, has a reused pid, left no text, or is a host long gone', async () => {
    const path = await fresh();
    const child = spawn('sleep', ['100']);
    const { pid } = child;
    child.kill('SIGKILL');
    await once(child, 'exit');
    const first = await openRecording(path);
    const lock = JSON.parse(await readFile(`${path}.lock`, 'utf8'));
    await first.close();
    const old = new Date(Date.now() - 3600_000);
    const stale: [string, Date?][] = [
      [JSON.stringify({ ...lock, pid })],
      [JSON.stringify({ ...lock, started: 'before/1' })],
      [JSON.stringify({ ...lock, host: 'gone.example' }), old],
      [''],
      ['{"pid":'],
    ];
    for (const [text, time] of stale) {
      await writeFile(`${path}.lock`, text);
      if (time) await utimes(`${path}.lock`, time, time);
      await record(path, [batch(event(1))], { append: true });
    }
    expect(await eventsOf(path)).toHaveLength(stale.length);
  });

  test.for([
    ['on another host', { host: 'alive.example' }, 'on alive.example'],
    ['in another container of the same name', { space: 'boot/pid:[2]' }, 'in another container'],
  ] as const)('holds %s as long as its holder renews it', async ([, other, where]) => {
    const path = await fresh();
    const first = await openRecording(path);
    const lock = JSON.parse(await readFile(`${path}.lock`, 'utf8'));
    await first.close();
    const renew = () => writeFile(`${path}.lock`, JSON.stringify({ ...lock, pid: 1, ...other }));
    await renew();
    const renewal = setInterval(() => void renew(), 500);
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    await expect(openRecording(path, { append: true, onNotice })).rejects.toMatchObject({
      code: 'LOCAL',
      message: `${path} is in use by pid 1 ${where}`,
    });
    clearInterval(renewal);
    expect(notices).toEqual([expect.stringMatching(/waiting up to 30 s for a sign of life/)]);
  });

  test('is waited for until the lease of a holder out of sight has run out, and stops when asked to', async () => {
    const path = await fresh();
    const holder = JSON.stringify({ pid: 1, host: 'gone.example' });
    await writeFile(`${path}.lock`, holder);
    const past = new Date(Date.now() - 28_000);
    await utimes(`${path}.lock`, past, past);
    const startedAt = performance.now();
    await record(path, [batch(event(1))], { append: true });
    expect(performance.now() - startedAt).toBeGreaterThan(1000);
    await writeFile(`${path}.lock`, holder);
    const signal = AbortSignal.timeout(300);
    await expect(openRecording(path, { append: true, signal })).rejects.toMatchObject({ code: 'LOCAL' });
  });

  test('is judged by the clock of the file system, not by ours', async () => {
    const path = await fresh();
    await writeFile(`${path}.lock`, JSON.stringify({ pid: 1, host: 'gone.example' }));
    const { now } = Date;
    Date.now = () => now() + 3_600_000;
    try {
      const signal = AbortSignal.timeout(300);
      await expect(openRecording(path, { append: true, signal })).rejects.toMatchObject({ code: 'LOCAL' });
    } finally {
      Date.now = now;
    }
  });

  test.for([
    ['a pipe', (lock: string) => spawnSync('mkfifo', [lock])],
    ['a folder', (lock: string) => mkdir(lock)],
    ['a link to a device', (lock: string) => symlink('/dev/zero', lock)],
    ['a large file', (lock: string) => writeFile(lock, Buffer.alloc(100_000))],
  ] as const)('is an error at once when it is %s', async ([, put]) => {
    const path = await fresh();
    await put(`${path}.lock`);
    await expect(openRecording(path)).rejects.toMatchObject({ code: 'LOCAL' });
  });

  test('is given up by a recorder that finds another one in its place', async () => {
    const path = await fresh();
    const writer = await openRecording(path);
    await writer.write(batch(event(1)));
    const theirs = JSON.stringify({ pid: 1, host: 'other.example' });
    await writeFile(`${path}.lock.new`, theirs);
    await rename(`${path}.lock.new`, `${path}.lock`);
    await eventually(() =>
      expect(writer.write(batch(event(2)))).rejects.toMatchObject({
        message: expect.stringMatching(/taken over by another recorder/),
      }),
    );
    await writer.close().catch(() => undefined);
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(theirs);
  });

  test('goes to one only of many recorders that find a dead one at the same time', async () => {
    for (let round = 0; round < 50; round++) {
      const path = await fresh();
      await writeFile(`${path}.lock`, '{"pid":0}');
      const tries = await Promise.allSettled(
        Array.from({ length: 20 }, () => openRecording(path, { append: true })),
      );
      const winners = tries.filter((result) => result.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]?.value.write(batch(event(1)));
      await winners[0]?.value.close();
      expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
    }
  });

  test('is free although a recorder was killed while it removed a dead one', async () => {
    const path = await fresh();
    await writeFile(`${path}.lock`, '{"pid":0}');
    await writeFile(`${path}.lock.guard`, '');
    const past = new Date(Date.now() - 60_000);
    await utimes(`${path}.lock.guard`, past, past);
    await record(path, [batch(event(1))]);
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
  });
});

describe.concurrent('rotation', () => {
  test('by size: files within the limit, no line lost or doubled, each file readable by itself', async () => {
    const path = await fresh();
    const lines = [
      lifecycle(0, 'devices', 'connecting'),
      lifecycle(0, 'rules', 'connecting'),
      lifecycle(1, 'devices', 'open'),
      ...Array.from({ length: 300 }, (_, i) => event(i + 2, i % 200)),
      lifecycle(302, 'devices', 'closed'),
      ...Array.from({ length: 100 }, (_, i) => event(i + 303)),
    ];
    const batches: LineBatch[] = [];
    for (let at = 0, size = 1; at < lines.length; at += size, size = (size % 97) + 13) {
      batches.push(batch(...lines.slice(at, at + size)));
    }
    const writer = await record(path, batches, { rotateBytes: 4096 });
    const names = (await readdir(join(path, '..'))).sort();
    expect(names.at(-1)).toBe('capture.ndjson');
    expect(names[0]).toBe('capture.000001.ndjson');
    expect(names).toHaveLength(writer.files);
    expect(writer.files).toBeGreaterThan(10);
    expect(writer.lines).toBe(lines.length);
    const texts = await Promise.all(names.map((name) => readFile(join(path, '..', name), 'utf8')));
    expect(texts.map((text) => text.length <= 4096)).not.toContain(false);
    expect(writer.size).toBe(texts.join('').length);
    const own = texts
      .flatMap((text) => text.split(/(?<=\n)/))
      .filter((line) => !line.includes('"continued":true'));
    expect(own.join('')).toBe(lines.join(''));

    const [second = ''] = texts.slice(1);
    expect(
      second
        .split('\n')
        .slice(0, 3)
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      {
        connection: { state: 'connecting', url: 'ws://x/', format: 1, continued: true },
        endpoint: 'devices',
      },
      { connection: { state: 'open', continued: true }, endpoint: 'devices' },
      { connection: { state: 'connecting', continued: true }, endpoint: 'rules' },
    ]);
    // The last file begins after the loss: it knows the endpoint, but not as open.
    const last = texts.at(-1)!.split('\n').slice(0, 3);
    expect(last.map((line) => JSON.parse(line).connection?.state)).toEqual([
      'connecting',
      'connecting',
      undefined,
    ]);
    for (const text of texts) {
      const times = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).received_at);
      expect(times).toEqual([...times].sort());
    }
  });

  test.each(['in one batch', 'in many batches without a wait'])(
    'a connection that closes after the seam is open before it: %s',
    async (how) => {
      const path = await fresh();
      const lines = [
        lifecycle(0, 'devices', 'connecting'),
        lifecycle(1, 'devices', 'open'),
        ...Array.from({ length: 20 }, (_, at) => event(at + 2)),
        lifecycle(22, 'devices', 'closed'),
        ...Array.from({ length: 20 }, (_, at) => event(at + 23)),
      ];
      const writer = await openRecording(path, { rotateBytes: 1500 });
      const batches = how === 'in one batch' ? [batch(...lines)] : lines.map((line) => batch(line));
      await Promise.all(batches.map((one) => writer.write(one)));
      await writer.close();
      const names = (await readdir(join(path, '..'))).sort();
      const texts = await Promise.all(names.map((name) => readFile(join(path, '..', name), 'utf8')));
      const own = texts
        .flatMap((text) => text.split(/(?<=\n)/))
        .filter((line) => !line.includes('"continued"'));
      expect(own.join('')).toBe(lines.join(''));
      const closedIn = texts.findIndex((text) => text.includes('"state":"closed"'));
      expect(closedIn).toBeGreaterThan(0);
      const opened = texts.map((text) => text.includes('"state":"open","continued":true'));
      expect(opened).toEqual(texts.map((_, i) => i > 0 && i <= closedIn));
    },
  );

  test('a line longer than the limit gets a file of its own', async () => {
    const path = await fresh();
    await record(path, [batch(event(1), event(2, 5000), event(3))], { rotateBytes: 200 });
    expect(await eventsOf(join(path, '../capture.000002.ndjson'))).toEqual([2]);
    expect(await eventsOf(path)).toEqual([3]);
  });

  test('by time: the newest files are kept, and numbers go on', async () => {
    const path = await fresh();
    let now = 0;
    const clock = { nowMicros: () => 5, monotonicMs: () => now, sleep: async () => undefined };
    for (const session of [0, 1]) {
      const writer = await openRecording(path, { append: true, rotateMs: 1000, keep: 2, clock });
      for (let at = 0; at < 5; at++) {
        await writer.write(batch(event(session * 100 + at)));
        now += 600;
      }
      await writer.close();
    }
    expect((await readdir(join(path, '..'))).sort()).toEqual([
      'capture.000003.ndjson',
      'capture.000004.ndjson',
      'capture.ndjson',
    ]);
    expect(await eventsOf(join(path, '../capture.000004.ndjson'), path)).toEqual([102, 103, 104]);
  });

  test('deletes no file that this recording did not write, whatever its name', async () => {
    const path = await fresh();
    const [foreign, older] = ['000003', '000004'].map((number) => join(path, `../capture.${number}.ndjson`));
    await writeFile(foreign!, 'mine');
    await writeFile(older!, event(1));
    await record(path, [batch(event(2)), batch(event(3)), batch(event(4))], { rotateBytes: 100, keep: 1 });
    expect(await readFile(foreign!, 'utf8')).toBe('mine');
    expect((await readdir(join(path, '..'))).sort()).toEqual([
      'capture.000003.ndjson',
      'capture.000004.ndjson',
      'capture.000006.ndjson',
      'capture.ndjson',
    ]);
  });

  test('ignores numbers that are too large to count on', async () => {
    const path = await fresh();
    await writeFile(join(path, '../capture.99999999999999999.ndjson'), event(1));
    await record(path, [batch(event(2)), batch(event(3)), batch(event(4))], { rotateBytes: 100 });
    expect((await readdir(join(path, '..'))).sort()).toEqual([
      'capture.000001.ndjson',
      'capture.000002.ndjson',
      'capture.99999999999999999.ndjson',
      'capture.ndjson',
    ]);
  });

  test('counts only recordings among the files to keep, and opens no pipe', async () => {
    const path = await fresh();
    const at = (number: string) => join(path, `../capture.${number}.ndjson`);
    spawnSync('mkfifo', [at('000001')]);
    await writeFile(at('000002'), event(1));
    await writeFile(at('20261122'), 'mine');
    await record(path, [batch(event(2)), batch(event(3))], { rotateBytes: 100, keep: 2 });
    expect((await readdir(join(path, '..'))).sort()).toEqual([
      'capture.000001.ndjson',
      'capture.000002.ndjson',
      'capture.000003.ndjson',
      'capture.20261122.ndjson',
      'capture.ndjson',
    ]);
  });

  test('of compressed files: within the limit, and no line lost', async () => {
    const path = await fresh('capture.ndjson.gz');
    const batches = Array.from({ length: 40 }, (_, at) => {
      const line = `{"received_at":"${formatTimestamp(at)}","endpoint":"rules","n":${at},"pad":"${randomBytes(40_000).toString('hex')}"}`;
      return batch(`${line}\n`);
    });
    const { files } = await record(path, batches, { rotateBytes: 400_000 });
    expect(files).toBeGreaterThan(3);
    const all = (await readdir(join(path, '..'))).sort().map((name) => join(path, '..', name));
    expect(all).toHaveLength(files);
    for (const part of all) expect(statSync(part).size).toBeLessThan(600_000);
    expect(await eventsOf(...all)).toEqual(batches.map((_, at) => at));
  });
});

describe.concurrent('a disk without room', () => {
  test('is a local error at the first line and at every later one', async () => {
    const writer = await openRecording('/dev/full');
    for (const _ of [1, 2]) {
      await expect(writer.write(batch(event(1), event(2)))).rejects.toMatchObject({
        code: 'LOCAL',
        message: '/dev/full cannot be written: the disk is full (ENOSPC)',
      });
    }
    await writer.close();
    expect(writer).toMatchObject({ lines: 0, bytes: 0, lostLines: 4 });
  });

  test('is a local error for a compressed recording, too', async () => {
    const path = await fresh('full.gz');
    await once(spawn('sh', ['-c', 'mknod "$0" c 1 7 2>/dev/null', path]), 'exit');
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return;
    const writer = await openRecording(path);
    const all = writer.write(batch(event(1), event(2))).finally(() => writer.close());
    await expect(all).rejects.toMatchObject({ code: 'LOCAL' });
    expect(writer).toMatchObject({ lines: 0, bytes: 0, lostLines: 2 });
  });
});

// One at a time: these change what the whole process sees.
describe('a recording', () => {
  test('holds the bytes as they came, has mode 0600 or the one that is given under any umask, and leaves no lock', async () => {
    for (const mask of [0o000, 0o077]) {
      const before = process.umask(mask);
      try {
        const path = await fresh();
        const writer = await record(path, [batch(event(1), event(2)), batch(event(3))]);
        expect(await readFile(path, 'utf8')).toBe(event(1) + event(2) + event(3));
        expect((await stat(path)).mode & 0o777).toBe(0o600);
        expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson']);
        expect(writer).toMatchObject({ lines: 3, lostLines: 0, files: 1, bytes: 3 * event(1).length });
        expect(writer.size).toBe(writer.bytes);
        const shared = await fresh();
        await record(shared, [batch(event(1)), batch(event(2))], { mode: 0o640, rotateBytes: 10 });
        const parts = await readdir(join(shared, '..'));
        for (const part of parts) expect((await stat(join(shared, '..', part))).mode & 0o777).toBe(0o640);
        expect(parts).toHaveLength(2);
      } finally {
        process.umask(before);
      }
    }
  });

  test('is held until the last line is on the disk', async () => {
    const path = await fresh();
    const writer = await openRecording(path);
    await writer.write(batch(event(1)));
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle) as { sync: () => Promise<void> };
    await handle.close();
    const { sync } = prototype;
    const wasLocked: boolean[] = [];
    prototype.sync = function () {
      wasLocked.push(existsSync(`${path}.lock`));
      return sync.call(this);
    };
    try {
      await writer.close();
    } finally {
      prototype.sync = sync;
    }
    expect(wasLocked).toEqual([true]);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test('stays in the old file when the first lines of the new one cannot be written', async () => {
    const path = await fresh();
    const writer = await openRecording(path);
    await writer.write(batch(lifecycle(0, 'devices', 'connecting'), event(1)));
    await rename(path, `${path}.1`);
    const handle = await open(`${path}.1`);
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const { write } = prototype;
    prototype.write = async () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    await expect(writer.reopen())
      .rejects.toMatchObject({ code: 'LOCAL', message: expect.stringContaining('the disk is full') })
      .finally(() => {
        prototype.write = write;
      });
    expect(await readdir(join(path, '..'))).toEqual(['capture.ndjson.1', 'capture.ndjson.lock']);
    await writer.write(batch(event(2)));
    await writer.close();
    expect(await eventsOf(`${path}.1`)).toEqual([1, 2]);
  });

  test('loses no line to a file system that gives less than is asked for', async () => {
    const path = await fresh();
    const lines = Array.from({ length: 100 }, (_, at) => event(at)).join('');
    await writeFile(path, lines + event(100).slice(0, 30));
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const { read } = prototype;
    prototype.read = function (buffer: Buffer, offset: number, length: number, position: number | null) {
      return read.call(this, buffer, offset, Math.min(length, 1000), position);
    };
    try {
      await record(path, [batch(event(101))], { append: true });
    } finally {
      prototype.read = read;
    }
    expect(await readFile(path, 'utf8')).toBe(lines + event(101));
  });
});

describe.concurrent.each(['capture.ndjson', 'capture.ndjson.gz'])('a recording named %s', (name) => {
  const isCompressed = name.endsWith('.gz');
  /** All that has been flushed. */
  const contentOf = (path: string) => {
    const bytes = readFileSync(path);
    return (isCompressed ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes).toString();
  };
  /** Lines that cannot be compressed. */
  const noise = (at: number, bytes = 600) =>
    `{"received_at":"${formatTimestamp(at)}","endpoint":"rules","type":"a","n":${at},"pad":"${randomBytes(bytes).toString('hex')}"}\n`;
  const parts = async (path: string) =>
    (await readdir(join(path, '..'))).sort().map((entry) => join(path, '..', entry));

  test('has no part larger than its limit, whether or not the lines can be compressed', async () => {
    for (const line of [noise, (at: number) => event(at, 2000)]) {
      const path = await fresh(name);
      const batches = Array.from({ length: 60 }, (_, at) => batch(line(2 * at), line(2 * at + 1)));
      await record(path, batches, { rotateBytes: 10_000 });
      const all = await parts(path);
      for (const part of all) expect(statSync(part).size).toBeLessThanOrEqual(10_000);
      expect(await eventsOf(...all)).toEqual(Array.from({ length: 120 }, (_, at) => at));
    }
  });

  test('loses only lines that were copied when it is copied and truncated, again and again', async () => {
    const path = await fresh(name);
    const notices: string[] = [];
    const writer = await openRecording(path, { onNotice: (notice) => notices.push(notice) });
    await writer.write(
      batch(lifecycle(0, 'devices', 'connecting'), lifecycle(0, 'devices', 'open'), event(0)),
    );
    const seen: number[] = [];
    for (let round = 1; round <= 3; round++) {
      await eventually(() => expect(statSync(path).size).toBeGreaterThan(50));
      await writer.write(batch(event(round * 10)));
      await eventually(() => expect(contentOf(path)).toContain(event(round * 10)));
      await writeFile(`${path}.copy`, await readFile(path));
      await truncate(path, 0);
      const copied: number[] = [];
      const keep = ({ kind, frame }: { kind: string; frame: { value: Record<string, unknown> } }) => {
        if (kind === 'event') copied.push(frame.value.n as number);
        return false;
      };
      for await (const _ of readRecording([`${path}.copy`], { keep })) throw new Error('nothing is kept');
      seen.push(...copied);
      await writer.write(batch(event(round * 10 + 1)));
    }
    await writer.close();
    seen.push(...(await eventsOf(path)));
    expect(seen).toEqual([0, 10, 11, 20, 21, 30, 31]);
    expect(notices.join()).toContain('cut short');
    expect(writer.lostLines).toBe(0);
    expect((await parts(path)).filter((part) => part !== `${path}.copy`)).toEqual([path]);
  });

  test('deletes no part that it did not write, and overwrites none', async () => {
    const path = await fresh(name);
    const at = (number: string) => path.replace('capture.', `capture.${number}.`);
    const foreign = isCompressed ? gzipSync(event(7)) : event(7);
    const planted = ['000000', '000001', '000002', '20261121', '999999', '999999999999999'].map(at);
    for (const part of planted) await writeFile(part, foreign);
    const batches = Array.from({ length: 40 }, (_, n) => batch(noise(n)));
    const writer = await record(path, batches, { rotateBytes: 3000, keep: 1 });
    for (const part of planted) expect(await readFile(part)).toEqual(Buffer.from(foreign));
    const own = (await parts(path)).filter((part) => !planted.includes(part));
    expect([own.length, writer.files]).toEqual([2, 2]);
    expect(writer.size).toBe(own.reduce((size, part) => size + statSync(part).size, 0));
    expect(writer.deletedFiles).toBeGreaterThan(2);
  });

  test('goes on with the numbers and the parts of an earlier recorder when it is appended to', async () => {
    const path = await fresh(name);
    for (const start of [0, 20]) {
      const batches = Array.from({ length: 20 }, (_, n) => batch(noise(start + n)));
      await record(path, batches, { rotateBytes: 3000, keep: 2, append: true });
    }
    const all = await parts(path);
    expect(all).toHaveLength(3);
    expect((await eventsOf(...all)).at(-1)).toBe(39);
  });

  test('goes on where a recorder was killed while it renamed a part, and the part is read once', async () => {
    const path = await fresh(name);
    const part = path.replace('capture.', 'capture.000001.');
    await record(path, [batch(event(1))]);
    await link(path, part);
    const skipped: string[] = [];
    const seen: number[] = [];
    const keep = ({ frame }: { frame: { value: Record<string, unknown> } }) =>
      seen.push(frame.value.n as number) < 0;
    const onProblem = ({ message }: { message: string }) => skipped.push(message);
    for await (const _ of readRecording([part, path], { keep, onProblem, strict: true })) throw new Error();
    expect([seen, skipped]).toEqual([[1], [`${path} was left out: it is the same file as ${part}`]]);
    await record(path, [batch(event(2)), batch(event(3))], { append: true, rotateBytes: 10, keep: 5 });
    expect(await eventsOf(...(await parts(path)))).toEqual([1, 2, 3]);
    expect(await eventsOf(part)).toEqual([1]);
  });

  test('goes on in a file whose folder was renamed until a next part can be begun', async () => {
    const path = await fresh(name);
    const folderName = join(path, '..');
    const moved = join(`${folderName}-moved`, name);
    const notices: string[] = [];
    const onNotice = (notice: string) => void notices.push(notice);
    const writer = await openRecording(path, { rotateBytes: 1, onNotice });
    await writer.write(batch(event(1)));
    await rename(folderName, `${folderName}-moved`);
    await writer.write(batch(event(2), event(3)));
    expect(notices).toEqual([expect.stringContaining(`${path} was renamed; new lines still go to it: `)]);
    expect(notices[0]).toContain('its folder does not exist (ENOENT)');
    await mkdir(folderName);
    await eventually(() => expect(notices).toHaveLength(2));
    expect(notices[1]).toBe(`${path} was renamed; new lines go to a new ${path}`);
    await writer.write(batch(event(4)));
    await writer.close();
    expect([await eventsOf(moved), await eventsOf(path)]).toEqual([[1, 2, 3], [4]]);
    expect([writer.lastName, writer.files]).toEqual([path, 2]);
    expect(writer.size).toBe(statSync(moved).size + statSync(path).size);
  });

  test('tells the name that it has at the end, or that it has none', async () => {
    const path = await fresh(name);
    const renamed = await openRecording(path);
    await renamed.write(batch(event(1)));
    await mkdir(join(path, '../elsewhere'));
    await rename(path, join(path, '../elsewhere/b'));
    await renamed.close();
    expect(renamed.lastName).toBe(join(path, '../elsewhere/b'));
    const deleted = await openRecording(path);
    await deleted.write(batch(event(1)));
    await unlink(path);
    await deleted.close();
    expect([deleted.lastName, deleted.files]).toEqual([undefined, 0]);
  });
});
