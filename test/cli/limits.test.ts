import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHUTDOWN_MS } from '../support/time-limits.js';
import { meter, type Usage } from '../support/usage.js';
import { type Running, Sandbox } from './sandbox.js';

const MB = 1024 * 1024;
const TIME = '2026-11-22T21:50:00.000000Z';
const head = `{"received_at":"${TIME}","endpoint":"devices",`;
const event = (members: string) => `${head}${members}}\n`;
const connection = (members: string) =>
  `{"received_at":"${TIME}","connection":{${members}},"endpoint":"devices"}\n`;

/** Writes pieces of text to a file in the sandbox. */
function write(sandbox: Sandbox, name: string, pieces: Iterable<string>): string {
  const path = join(sandbox.home, name);
  const file = openSync(path, 'w');
  for (const piece of pieces) writeSync(file, piece);
  closeSync(file);
  return path;
}

/** Keeps Node from letting garbage pile up where there is much memory; a table without a limit does not fit in it. */
const SMALL_HEAP = '--max-old-space-size=28';

interface Measured extends Usage {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end and measures it. */
async function measure(
  sandbox: Sandbox,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): Promise<Measured> {
  const { environment, read } = meter(sandbox);
  environment.NODE_OPTIONS = [environment.NODE_OPTIONS, ...nodeOptions].join(' ');
  const { code, stdout, stderr } = await sandbox.run(args, {
    environment,
    through: ['bash', '-o', 'pipefail', '-c', '"$@" | tail -c 4096', 'bash'],
  });
  return { ...read(), code, stdout, stderr };
}

/** What a server or a recording may send, in a given size in MB. */
const hostile: [name: string, lines: (size: number) => Iterable<string>][] = [
  [
    'large numbers behind a long text',
    (size) => [event(`"data":{"x":"${'y'.repeat(size * MB)}",${list(size * 400, (i) => `"k${i}":1e16`)}}`)],
  ],
  [
    'members in a member with a long name',
    (size) => [event(`"data":{"${'k'.repeat(size * MB)}":{${list(size * 2000, (i) => `"a${i}":1`)}}}`)],
  ],
  ['escapes', (size) => [event(`"data":{"x":"${'\\u0007\u200b'.repeat(size * 120_000)}"}`)]],
  ['quotes', (size) => [event(`"data":{"x":"${'\\"'.repeat(size * 500_000)}"}`)]],
  ['marks on one letter', (size) => [event(`"data":{"x":"e${'\u0301'.repeat(size * 500_000)}"}`)]],
  [
    'a long type and subject',
    (size) => [event(`"type":"${'t'.repeat(size * MB)}","subject":"${'s.'.repeat(size * 500_000)}"`)],
  ],
  [
    'a long label',
    (size) => [`{"received_at":"${TIME}","endpoint":"${'\\"'.repeat(size * 500_000)}","type":"a"}\n`],
  ],
  ['nested lists', (size) => [event(`"data":${'['.repeat(size * 500_000)}${']'.repeat(size * 500_000)}`)]],
  [
    'nesting in a lifecycle line',
    (size) => [connection(`"state":"open","x":${'['.repeat(size * 500_000)}${']'.repeat(size * 500_000)}`)],
  ],
  [
    'many objects in a lifecycle line',
    (size) => [connection(`"state":"open","x":[${list(size * 300_000, () => '{}')}]`)],
  ],
  [
    'a long close reason',
    (size) => [connection(`"state":"closed","code":1001,"reason":"${'ä'.repeat(size * 500_000)}"`)],
  ],
  [
    'a frame that is no JSON',
    (size) => [
      `{"received_at":"${TIME}","invalid":{"reason":"not JSON","text":"${'\\u0001'.repeat(size * 160_000)}"},"endpoint":"devices"}\n`,
    ],
  ],
  [
    'a line of foreign origin',
    (size) => [`{"a":{"b":"${'x"'.replace('"', '\\"').repeat(size * 300_000)}"},"received_at":"${TIME}"}\n`],
  ],
];

/** Lines whose names never come again. */
const ever: [name: string, line: (index: number) => string][] = [
  ['types', (i) => event(`"type":"${i}${'t'.repeat(100_000)}"`)],
  ['types with many names', (i) => event(`"type":"t${i}","data":{${list(5000, (k) => `"n${i}_${k}":1`)}}`)],
  ['subjects', (i) => event(`"type":"a","subject":"${i}${'s'.repeat(100_000)}"`)],
  ['endpoints', (i) => `{"received_at":"${TIME}","endpoint":"${i}${'e'.repeat(100_000)}","type":"a"}\n`],
  ['errors', (i) => connection(`"state":"refused","error":"${i}${'e'.repeat(100_000)}"`)],
  ['bad lines', (i) => `${i} ${'b'.repeat(100_000)}\n`],
];

function list(count: number, item: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => item(index)).join(',');
}

const commands: [name: string, args: (file: string) => string[]][] = [
  ['tail -f json', (file) => ['tail', '--file', file, '-f', 'json', '--lifecycle']],
  ['tail -f pretty', (file) => ['tail', '--file', file, '-f', 'pretty', '--lifecycle']],
  [
    'tail -w',
    (file) => ['tail', '--file', file, '-w', 'data.x.contains("zz") || event.type.matches("(a+)+b")'],
  ],
  ['tail -t', (file) => ['tail', '--file', file, '-t', '*a*b*c', '-s', '*.a.>']],
  ['inspect', (file) => ['inspect', file]],
  ['inspect --json --html', (file) => ['inspect', file, '--json', '--html', 'a.html']],
];

describe('limits', () => {
  let recordings: Sandbox;

  beforeAll(() => {
    recordings = new Sandbox();
    for (const [name, size] of [
      ['hostile-small', 0.25],
      ['hostile-large', 1],
    ] as const)
      write(recordings, name, [event('"type":"a"'), ...hostile.flatMap(([, lines]) => [...lines(size)])]);
    for (const [name, count] of [
      ['new-names-small', 10],
      ['new-names-large', 120],
    ] as const) {
      const lines = ever.flatMap(([, line]) => Array.from({ length: count }, (_, i) => line(i)));
      write(recordings, name, [event('"type":"a"'), ...lines]);
    }
  });
  afterAll(() => recordings[Symbol.dispose]());

  /** Measures a command on the small and on the large recording of that kind. */
  async function measureBoth(
    kind: 'hostile' | 'new-names',
    args: (file: string) => string[],
  ): Promise<[Measured, Measured]> {
    const run = async (size: 'small' | 'large') => {
      using sandbox = new Sandbox();
      const words = args(join(recordings.home, `${kind}-${size}`));
      return await measure(sandbox, words, kind === 'new-names' ? [SMALL_HEAP] : []);
    };
    // One after the other: garbage is collected later on a machine that is busy.
    return [await run('small'), await run('large')];
  }

  // Quadratic work takes 16 times as long for four times the size.
  it.each(commands)('takes time in proportion to what comes: %s', async (_, args) => {
    const [before, after] = await measureBoth('hostile', args);
    expect([before.code, after.code, after.stderr]).toEqual([0, 0, expect.not.stringContaining('bug in')]);
    expect(after.cpuSeconds).toBeLessThan(6 * before.cpuSeconds);
    expect(after.memoryMb).toBeLessThan(before.memoryMb + 250);
  });

  it.each(commands)('takes no more memory for an endless row of new names: %s', async (_, args) => {
    const [before, after] = await measureBoth('new-names', args);
    expect([before.code, after.code]).toEqual([0, 0]);
    // 11 MB more of each kind went through, for which the heap has no room.
    expect(after.memoryMb).toBeLessThan(before.memoryMb + 60);
  });

  it('plays a recording with a close reason of 100 kB, and ends when it is asked to', async () => {
    using sandbox = new Sandbox();
    const file = write(sandbox, 'a.ndjson', [
      connection('"state":"connecting","attempt":1,"url":"ws://x","recorder":"o","format":1'),
      connection('"state":"open"'),
      event('"type":"a"'),
      connection(`"state":"closed","code":1001,"reason":"${'ä'.repeat(50_000)}"`),
    ]);
    const replay = sandbox.start(['replay', file, '--lifecycle', '-p', '0']);
    const { listening, token } = JSON.parse(await replay.lines.next());
    const { stderr } = await sandbox.run(['tail', 'devices', '-u', listening, '--no-reconnect'], {
      environment: { OPMAS_TOKEN: token },
    });
    expect(stderr).toMatch(/1001 \(server going away\): ä{61}$/m);
    await expectEnd(replay);
  });

  async function expectEnd({ child, ended }: Running): Promise<void> {
    const start = performance.now();
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ signal: 'SIGTERM' });
    expect(performance.now() - start).toBeLessThan(SHUTDOWN_MS);
  }
});
