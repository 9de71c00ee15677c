import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { eventLine, numbered, numberedLines } from '../support/recordings.js';
import { Sandbox } from './sandbox.js';
import { ServedProcess } from './served-process.js';

function jwt(claims: object): string {
  const parts = [{ alg: 'HS256' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return `${parts.join('.')}.c2ln`;
}

function write(sandbox: Sandbox, name: string, lines: readonly string[]): string {
  const path = join(sandbox.home, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

/** Starts `replay`, connects one client and gives all messages until it is closed or the server is told to end. */
async function replayed(
  args: readonly string[],
  clients = 1,
): Promise<{ server: ServedProcess; counts: number[] }> {
  const server = new ServedProcess(['replay', ...args, '--port', '0', '--auth', 'none']);
  const { url } = await server.ready();
  const counts: number[] = [];
  for (let n = 0; n < clients; n++) {
    const socket = new WebSocket(`${url}/api/v1/ws/devices`);
    let count = 0;
    await new Promise<void>((resolve) => {
      socket.on('message', () => {
        count++;
        if (count === 3) resolve();
      });
      socket.on('close', () => resolve());
    });
    if (n + 1 < clients) await server.says(/end of the recording/);
    socket.terminate();
    counts.push(count);
  }
  server.process.kill();
  await server.ended;
  return { server, counts };
}

describe('several values of one option', { concurrent: true }, () => {
  it('merge by time as files of tail', async () => {
    using sandbox = new Sandbox();
    const [first, second] = [numberedLines(0, 2, 10), numberedLines(1, 3, 4, 'agents')];
    write(sandbox, 'a.ndjson', first);
    write(sandbox, 'b.ndjson', second);
    const { code, stdout } = await sandbox.run(['tail', '--file', 'a.ndjson', '--file', 'b.ndjson']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([first[0], second[0], first[1], second[1]].sort());
  });

  it('all hold as filters of a recording', async () => {
    using sandbox = new Sandbox();
    write(sandbox, 'a.ndjson', numberedLines(0, 9, 10));
    const words = ['tail', '--file', 'a.ndjson', '-w', 'data.n > 3', '-w', 'data.n < 6'];
    const { stdout } = await sandbox.run(words);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  it('are an error as names of one output', async () => {
    using sandbox = new Sandbox();
    const words = ['record', '-o', 'a.ndjson', '-o', 'b.ndjson', '-u', 'ws://127.0.0.1:1', '--no-token'];
    expect(await sandbox.run([...words, '--no-reconnect'])).toMatchObject({ code: 2 });
  });
});

describe('a recording that is not what it seems', { concurrent: true }, () => {
  const reversed = numberedLines(0, 5, 100).reverse();

  it('is called unsorted by inspect', async () => {
    using sandbox = new Sandbox();
    write(sandbox, 'a.ndjson', reversed);
    const { stdout, stderr } = await sandbox.run(['inspect', 'a.ndjson']);
    expect(stdout + stderr).toMatch(/times go back at line 2; sort the file/);
  });

  it('is called unsorted by replay', async () => {
    using sandbox = new Sandbox();
    const { server } = await replayed([write(sandbox, 'a.ndjson', reversed)]);
    expect(server.messages.join('\n')).toMatch(/times go back at line 2; sort the file/);
  });

  it.each([
    ['an endpoint that the API does not have', [eventLine(0, numbered(0), 'foo')], /foo/],
    ['an unknown type without an endpoint', ['{"type":"logs.raw","data":{"n":1}}'], /logs\.raw.*system/],
  ])('is said by replay to hold %s', async (_, lines, pattern) => {
    using sandbox = new Sandbox();
    const path = write(sandbox, 'a.ndjson', [...numberedLines(0, 3, 1), ...lines]);
    const { server } = await replayed([path, '--rate', '1000']);
    expect(server.messages.filter((line) => pattern.test(line))).toHaveLength(1);
  });

  it('is said by replay to hold nothing to act out with --lifecycle', async () => {
    using sandbox = new Sandbox();
    const { server } = await replayed([write(sandbox, 'a.ndjson', numberedLines(0, 3, 10)), '--lifecycle']);
    expect(server.messages.join('\n')).toMatch(/no connection (lines|events)|nothing to act out|--lifecycle/);
  });

  it('is said by replay to begin again for a client that comes after the end', async () => {
    using sandbox = new Sandbox();
    const { server, counts } = await replayed([write(sandbox, 'a.ndjson', numberedLines(0, 3, 10))], 2);
    expect(counts).toEqual([3, 3]);
    expect(server.messages.join('\n')).toMatch(/again from the (start|beginning)|starts? (again|over)/);
  });

  it('is not counted by inspect when it is the lock of a recording', async () => {
    using sandbox = new Sandbox();
    const server = new ServedProcess(['mock', '--port', '0', '--rate', '50', '--auth', 'none']);
    const { url } = await server.ready();
    const { child, ended } = sandbox.start(['record', '-u', url, '--no-token', '-o', 'night.ndjson']);
    const recorded = () => sandbox.files().get('night.ndjson')?.content ?? '';
    while (!recorded().includes('"type"')) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sandbox.files().has('night.ndjson.lock')).toBe(true);
    const words = ['inspect', 'night.ndjson', 'night.ndjson.lock', '--json'];
    const { code, stdout } = await sandbox.run(words);
    child.kill();
    await ended;
    server.process.kill();
    await server.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ invalid: 0, bad_lines: 0 });
    expect(
      Object.keys(JSON.parse(stdout).by_type).every((type) => /^(device|agent|rule|system)\./.test(type)),
    ).toBe(true);
  });
});

describe('a token that runs out', { concurrent: true }, () => {
  it('is exit code 3 for auth token', async () => {
    using sandbox = new Sandbox({ OPMAS_TOKEN: jwt({ sub: 'admin', exp: Date.now() / 1000 - 60 }) });
    const { code, stderr } = await sandbox.run(['auth', 'token']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/expired/);
  });

  it('is announced by record before it expires, and said when it has', async () => {
    const server = new ServedProcess(['mock', '--port', '0', '--auth', 'none']);
    const { url } = await server.ready();
    const token = jwt({ sub: 'admin', exp: Date.now() / 1000 + 4 });
    using sandbox = new Sandbox({ OPMAS_TOKEN: token });
    const { stderr } = await sandbox.run(['record', '-u', url, '-o', 'a.ndjson', '--duration', '6s']);
    server.process.kill();
    await server.ended;
    expect(stderr).toMatch(/token.*expires in/);
    expect(stderr).toMatch(/token.*(has )?expired/);
  });
});
