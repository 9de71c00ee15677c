import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLinePrinter } from '../../src/cli/stream/line-printer.js';
import { noColors } from '../../src/cli/terminal/palette.js';
import { DataOutput } from '../../src/cli/terminal/terminal.js';
import { Sandbox } from './sandbox.js';

const recording = [
  '{"received_at":"2026-11-22T21:50:00.123456Z","endpoint":"devices","type":"device.error","subject":"opmas.devices.ap-7","data":{"cpu":97,"message":"radio \\u001b[2J reset"}}',
  '{"received_at":"2026-11-22T21:50:01.123456Z","endpoint":"agents","type":"agent.error","subject":"opmas.agents.a","data":{"cpu":5}}',
  '{"received_at":"2026-11-22T21:50:02.123456Z","connection":{"state":"closed","code":1006,"reason":""},"endpoint":"devices"}',
];

const sandbox = new Sandbox({ TZ: 'Asia/Kolkata' });
beforeAll(() => writeFileSync(join(sandbox.home, 'capture.ndjson'), `${recording.join('\n')}\n`));
afterAll(() => sandbox[Symbol.dispose]());

const run = (args: string[]) => sandbox.run(['tail', '--file', 'capture.ndjson', ...args]);

describe('tail --format pretty', () => {
  it('prints lines for people, filtered, without colors in a pipe', async () => {
    const { code, stdout } = await run(['--lifecycle', '--full', '-w', 'data.cpu + 1 > 90']);
    expect(code).toBe(0);
    expect(stdout.replace(/ +/g, ' ')).toBe(
      '-- 2026-11-23 --\n' +
        '03:20:00.123 ERR ap-7 device.error "radio \\u001b[2J reset" cpu=97\n' +
        '03:20:02.123 warn devices closed code=1006 meaning="abnormal closure"\n',
    );
  });

  it('has times in UTC and colors when asked', async () => {
    const { stdout } = await run(['-f', 'pretty', '--utc', '--color', 'always', '-t', 'device.*']);
    expect(stdout).toContain('\u001b[2m21:50:00.123\u001b[22m');
    expect(stdout).toContain('\u001b[1m-- 2026-11-22 --\u001b[22m');
    expect(stdout).toMatch(/\u001b\[31mdevice\.error *\u001b\[39m/);
  });

  it('warns once of a type that is not documented, and goes on', async () => {
    const { code, stdout, stderr } = await run(['-f', 'json', '-t', 'device.eror,device.*']);
    expect(code).toBe(0);
    expect(stdout).toBe(`${recording[0]}\n`);
    expect(stderr.match(/did you mean device\.error\?/g)).toHaveLength(1);
  });

  it.each([
    [['-w', 'data.cpu >'], 'data.cpu >\n            ^'],
    [['-w', 'type == "x"'], 'event.type'],
    [['-t', '{a'], 'do not pair'],
    [['-s', 'a..b'], 'empty token'],
  ])('%j is a usage error', async (args, text) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(text);
  });
});

it('lines for people let signals and timers through, though more batches wait and the reader is fast', async () => {
  const reader = new Writable({ write: (_chunk, _encoding, done) => done() });
  const out = new DataOutput(Object.assign(reader, { columns: 0 }), noColors);
  const print = await createLinePrinter(out, { format: 'pretty' });
  const bytes = Buffer.from(`${recording[0]}\n`.repeat(200));
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const start = performance.now();
  while (turns < 3 && performance.now() - start < 5000) await print({ bytes, count: 200 });
  clearInterval(timer);
  expect(turns).toBe(3);
});
