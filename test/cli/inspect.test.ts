import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../src/core/recording/encoder.js';
import { formatTimestamp } from '../../src/index.js';
import { BrowserPage, chromium } from '../support/browser.js';
import { type Ended, Sandbox } from './sandbox.js';

let folder: string;
let capture: string;
/** The same without damage. */
let whole: string;
const start = Date.UTC(2026, 10, 22, 21, 50) * 1000;
const second = 1_000_000;

function at(seconds: number): string {
  return formatTimestamp(start + seconds * second);
}
function event(seconds: number, endpoint: string, type: string, subject = `opmas.${endpoint}.x`): string {
  return `{"received_at":"${at(seconds)}","endpoint":"${endpoint}","type":${JSON.stringify(type)},"subject":${JSON.stringify(subject)},"data":{}}\n`;
}
const hostile = '</script><img src=x onerror="document.title=1">\u202e\u001b[2J\'"&';

/** It has no dot behind its name, so it is the last token of its subject. */
const hostileDevice = hostile.slice(hostile.lastIndexOf('.') + 1);

const lines = [
  formatLifecycleLine(at(0), 'devices', {
    state: 'connecting',
    attempt: 1,
    url: 'ws://x/',
    recorder: 'opmas-ws/0',
    format: 1,
  }),
  formatLifecycleLine(at(0), 'devices', { state: 'refused', status: 503, retry_in_ms: 1000 }),
  formatLifecycleLine(at(0), 'devices', { state: 'refused', error: 'connection refused', retry_in_ms: 1000 }),
  formatLifecycleLine(at(1), 'devices', { state: 'open' }),
  formatLifecycleLine(at(1), 'rules', { state: 'open' }),
  ...[2, 2.1, 2.2, 2.3, 3, 4, 5].map((time) => event(time, 'devices', 'device.status_update')),
  event(6, 'devices', 'device.error', 'opmas.devices.ap-7'),
  event(7, 'rules', hostile, hostile),
  formatInvalidLine(at(8), 'devices', 'not JSON', Buffer.from('{'), false),
  formatLifecycleLine(at(10), 'devices', { state: 'closed', code: 1006, reason: '', retry_in_ms: 500 }),
  formatLifecycleLine(at(20), 'devices', { state: 'open', gap_since: at(9) }),
  'damage\n',
  event(25, 'devices', 'device.error', 'opmas.devices.ap-7'),
  formatLifecycleLine(at(26), 'rules', { state: 'dropped', count: 4, from: at(25), to: at(26) }),
  formatLifecycleLine(at(28), 'rules', { state: 'closed', code: 1011, reason: 'x', retry_in_ms: 500 }),
  formatLifecycleLine(at(30), 'devices', { state: 'closed', code: 1000, reason: '' }),
  // Started again with --append.
  formatLifecycleLine(at(40), 'devices', { state: 'open' }),
  // The next part of a rotation.
  formatLifecycleLine(at(41), 'devices', { state: 'open', continued: true }),
  formatLifecycleLine(at(42), 'devices', { state: 'closed', code: 1000, reason: '' }),
  '{"received_at":"2026-11-22T2',
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-ws-inspect-'));
  capture = join(folder, 'capture.ndjson');
  whole = join(folder, 'whole.ndjson');
  const bytes = lines.map((line) => Buffer.from(line));
  await writeFile(capture, Buffer.concat(bytes));
  await writeFile(
    whole,
    Buffer.concat(bytes.slice(0, -1).filter((line) => !line.equals(Buffer.from('damage\n')))),
  );
});
afterAll(() => rm(folder, { recursive: true }));

const sandbox = new Sandbox({ TZ: 'UTC' });
afterAll(() => sandbox[Symbol.dispose]());

function inspect(args: string[], input = '', environment: Record<string, string> = {}): Promise<Ended> {
  return sandbox.run(['inspect', ...args], { input, environment });
}

describe.concurrent('inspect --json', () => {
  test('says when there are so many names that rare ones are not all counted', async () => {
    const line = (n: number) => `{"type":"t${n}","subject":"s","data":{}}\n`;
    const path = join(folder, 'many-types.ndjson');
    await writeFile(path, Array.from({ length: 20_000 }, (_, n) => line(n)).join(''));
    const report = JSON.parse((await inspect([path, '--json'])).stdout);
    expect(report).toMatchObject({ events: 20_000, approximate: true });
  });

  test.each(['', '-'])('--html %j is not a file', async (name) => {
    expect(await inspect([capture, '--html', name])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/--html: "-?" is not a file/),
    });
  });

  test('--html into a missing folder names the file that was asked for', async () => {
    const { code, stderr } = await inspect(['-', '--html', '/nowhere/page.html']);
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /^opmas-ws: cannot write \/nowhere\/page\.html: its folder does not exist \(ENOENT\)\n {2}Name a/,
    );
  });

  test('counts a gap up to the end of a filtered recording in which no event is left', async () => {
    const path = join(folder, 'filtered.ndjson');
    const closed = { state: 'closed', code: 1006, reason: '', lost: true, retry_in_ms: 500 } as const;
    const end = [
      formatLifecycleLine(at(1), 'devices', { state: 'open' }),
      formatLifecycleLine(at(30), 'devices', closed),
      formatLifecycleLine(at(40), 'devices', { state: 'refused', status: 503, retry_in_ms: 500 }),
    ];
    await writeFile(path, Buffer.concat(end));
    const report = JSON.parse((await inspect([path, '--json'])).stdout);
    expect([report.gap_count, report.gap_seconds]).toEqual([1, 10]);
    expect(report.gaps).toMatchObject([{ endpoint: 'devices', from: at(30), to: at(40) }]);
    // After the endpoint has come back, the gap counts once.
    const back = formatLifecycleLine(at(50), 'devices', { state: 'open', gap_since: at(5) });
    await writeFile(path, Buffer.concat([...end, back]));
    expect(JSON.parse((await inspect([path, '--json'])).stdout).gap_seconds).toBe(45);
  });

  test('has all figures, and exactly the members that it is said to have', async () => {
    const { code, stdout, stderr } = await inspect([capture, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      events: 10,
      by_endpoint: { devices: 9, rules: 1 },
      by_type: { 'device.status_update': 7, 'device.error': 2, [hostile]: 1 },
      subjects: [
        { subject: 'opmas.devices.x', events: 7 },
        { subject: 'opmas.devices.ap-7', events: 2 },
        { subject: hostile, events: 1 },
      ],
      first: at(0),
      last: at(42),
      rate: { mean: Number((10 / 42).toFixed(6)), peak: 4 },
      gaps: [
        { endpoint: 'devices', from: at(9), to: at(20), seconds: 11, reason: 'closed 1006 abnormal closure' },
        {
          endpoint: 'rules',
          from: at(28),
          to: at(42),
          seconds: 14,
          reason: 'closed 1011 internal error, not open again',
        },
        { endpoint: 'devices', from: at(30), to: at(40), seconds: 10, reason: 'not recorded' },
      ],
      outages: [
        {
          from: at(9),
          to: at(20),
          seconds: 11,
          endpoints: ['devices'],
          reason: 'closed 1006 abnormal closure',
        },
        {
          from: at(28),
          to: at(42),
          seconds: 14,
          endpoints: ['rules', 'devices'],
          reason: 'closed 1011 internal error, not open again; not recorded',
        },
      ],
      coverage: { devices: Number((21 / 42).toFixed(6)), rules: Number((27 / 41).toFixed(6)) },
      problems: {
        count: 2,
        by_device: { 'ap-7': 2 },
        first: [6, 25].map((time) => ({
          at: at(time),
          device: 'ap-7',
          severity: 'error',
          type: 'device.error',
          endpoint: 'devices',
          message: null,
        })),
        incidents: [
          {
            ...{ from: at(6), to: null, device: 'ap-7', severity: 'error', type: 'device.error' },
            ...{ message: null, count: 2 },
          },
        ],
      },
      devices: [
        {
          ...{ id: 'ap-7', severity: 'error', since: at(6), last_type: 'device.error', last_at: at(25) },
          ...{ events: 2, errors: 2 },
        },
        {
          ...{ id: hostileDevice, severity: 'normal', since: at(7), last_type: hostile },
          ...{ last_at: at(7), events: 1, errors: 0 },
        },
        {
          ...{ id: 'x', severity: 'normal', since: at(2), last_type: 'device.status_update', last_at: at(5) },
          ...{ events: 7, errors: 0 },
        },
      ],
      unresolved_alerts: [],
      gap_count: 3,
      gap_seconds: 35,
      closes: { 1000: 2, 1006: 1, 1011: 1 },
      refusals: { 503: 1, 'connection refused': 1 },
      given_up: [],
      dropped: 4,
      invalid: 1,
      bad_lines: 1,
      torn_tail: true,
    });
    expect(stderr.split('\n')).toEqual([
      expect.stringContaining(`${capture}:18: not a JSON object`),
      expect.stringContaining(`${capture}:26: the last line is torn`),
      '',
    ]);
  });

  test('--strict makes damage an error', async () => {
    const { code, stdout, stderr } = await inspect([capture, '--json', '--strict']);
    expect([code, stdout]).toEqual([6, '']);
    expect(stderr).toContain(`${capture}:18: not a JSON object`);
  });

  test.each([
    ['jq -c .', 'devices', 9],
    ['jq -cS .', 'devices', 9],
    ['grep \'"rules"\'', 'rules', 1],
    ['head -n 8', 'devices', 3],
    ['sort', 'devices', 9],
    ['cat - "$0"', 'devices', 18],
    ['gzip', 'devices', 9],
  ])('what %s makes of a recording is one', async (command, endpoint, events) => {
    const shell = spawn('sh', ['-c', `${command} < "$0"`, whole], { stdio: ['ignore', 'pipe', 'inherit'] });
    const output = Buffer.concat(await shell.stdout.toArray());
    const path = join(folder, `derived ${command.replaceAll(/\W/g, '')}`);
    await writeFile(path, output);
    const { code, stdout } = await inspect([path, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).by_endpoint[endpoint]).toBe(events);
  });

  test('reads stdin, gzip data and several files, and complains of ten problems at most', async () => {
    const text = event(1, 'system', 'system.status');
    const packed = join(folder, 'packed');
    await writeFile(packed, gzipSync(text.repeat(3)));
    const { code, stdout, stderr } = await inspect(
      ['-', packed, '--json'],
      `${text}${'damage\n'.repeat(30)}${text}`,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ events: 5, bad_lines: 30 });
    expect(stderr.trimEnd().split('\n')).toHaveLength(11);
    expect(stderr).toContain('… and 20 more problems');
  });

  test('a file that is no recording is refused with exit code 6, a missing one with 2', async () => {
    expect(await inspect(['-', '--json'], '')).toMatchObject({ code: 6, stdout: '' });
    expect(await inspect(['-'], 'Dear reader,\n')).toMatchObject({ code: 6, stdout: '' });
    expect(await inspect([join(folder, 'nope')])).toMatchObject({ code: 2, stdout: '' });
    expect(await inspect([])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe.concurrent('inspect for people', () => {
  test('has everything on one screen, and nothing foreign that could move a cursor', async () => {
    const { code, stdout } = await inspect([capture]);
    expect(code).toBe(0);
    expect(stdout.replace(/[\x20-\x7e\n–—━…×▁-█]/g, '')).toBe('');
    expect(stdout).toContain('\\u202e\\u001b');
    for (const text of [
      /^Events +10$/m,
      /^OPMAS events, 22 Nov 21:50:00 to 21:50:42 UTC$/m,
      /^ {2}ERR {3}ap-7 +21:50:06 {2}device.error$/m,
      /^ {2}ERR {3}rules +21:50:28 {2}outage: closed 1011 internal error, not open/m,
      /^Problems {2}2 on 1 device, in 1 incident$/m,
      /^ {2}21:50:06 {2}not over {2}ERR {3}ap-7 +2 {2}device.error$/m,
      /^ {2}ERR {3}ap-7 +2 +2 {2}21:50:25 +device.error$/m,
      /^Outages {2}2, 25s in all/m,
      /^ {2}21:50:09 +11s {2}devices +closed 1006 abnormal closure$/m,
      /^ {2}devices +50.0 % +9 +90.0 %$/m,
      /^From +2026-11-22 21:50:00.000$/m,
      /^To +2026-11-22 21:50:42.000 {2}\(42s\)$/m,
      /^Rate +0.24 a second on average, 4 at most$/m,
      /^Timeline {3}█ .*$/m,
      /^ {2}problems +!/m,
      /^ {2}outages +━/m,
      /^ {2}closed 1000 normal closure, as wanted +2$/m,
      /^ {2}refused: HTTP 503 +1$/m,
      /^Dropped +4 events$/m,
      /^Invalid +1 message is not a JSON object$/m,
      /^Bad lines +1$/m,
      /^Torn tail/m,
    ]) {
      expect(stdout).toMatch(text);
    }
  });

  test('shows times in the local zone, in the text and on the page, and in UTC on request', async () => {
    const zone = { TZ: 'Asia/Kolkata' };
    const page = join(folder, 'local.html');
    const local = await inspect([whole], '', zone);
    expect(local.stdout).toMatch(/^OPMAS events, 23 Nov 03:20:00 to 03:20:42 Asia\/(Kolkata|Calcutta)$/m);
    expect(local.stdout).toMatch(/^ {2}ERR {3}ap-7 +03:20:06 /m);
    await inspect([whole, '--html', page], '', zone);
    expect(await readFile(page, 'utf8')).toMatch(
      /<title>OPMAS events, 23 Nov 03:20:00 [\s\S]*"zone":"Asia\/(Kol|Cal)/,
    );
    const utc = await inspect([whole, '--utc'], '', zone);
    expect(utc.stdout).toMatch(/^OPMAS events, 22 Nov 21:50:00 to 21:50:42 UTC$/m);
    await inspect([whole, '--html', page, '--utc'], '', zone);
    expect(await readFile(page, 'utf8')).toMatch(/<title>OPMAS events, 22 Nov 21:50:00 [\s\S]*"zone":"UTC"/);
  });

  test('names a zone that has no name of its own so that browsers know it', async () => {
    const page = join(folder, 'zone.html');
    for (const [TZ, name] of [
      ['EST+5', 'Etc/GMT+5'],
      ['GMT-3', 'Etc/GMT-3'],
      ['', 'UTC'],
      ['Nowhere/Bad', 'UTC'],
    ] as const) {
      const { stdout } = await inspect([whole], '', { TZ });
      expect(stdout.split('\n')[0], TZ).toMatch(new RegExp(` ${name.replace('+', '\\+')}$`));
      await inspect([whole, '--html', page], '', { TZ });
      expect(await readFile(page, 'utf8')).toContain(`"zone":"${name}"`);
      expect(() => new Intl.DateTimeFormat('en', { timeZone: name })).not.toThrow();
    }
  });

  test('reports counts of a recording without times', async () => {
    const { code, stdout } = await inspect(
      ['-'],
      `{"type":"device.error"}\n{"a":1}\n{"type":"device.error","data":{"status":"up","previous_status":"down"}}\n`,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Events +3$/m);
    expect(stdout).toMatch(/^ {2}\(unknown\) +1 +33.3 %$/m);
    expect(stdout).not.toContain('Timeline');
    expect(stdout).not.toMatch(/NaN|undefined|Invalid/);
    expect(stdout).toMatch(/^OPMAS events$/m);
  });
});

describe('inspect --html', () => {
  test('writes a page of mode 0600, over an earlier one only', async () => {
    const page = join(folder, 'report.html');
    for (const _ of ['new', 'again']) {
      expect(await inspect([capture, '--html', page])).toMatchObject({ code: 0, stdout: '' });
    }
    expect((await stat(page)).mode & 0o777).toBe(0o600);
    await writeFile(join(folder, 'precious'), 'mine');
    const refused = await inspect([capture, '--html', join(folder, 'precious')]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('mine');
    expect(await inspect([capture, '--html', join(folder, 'no', 'where')])).toMatchObject({ code: 5 });
    expect((await inspect([capture, '--html', page, '--json'])).stdout).toContain('"events":10');
  });

  test('has nothing foreign that is not escaped, and asks for nothing from anywhere', async () => {
    const page = join(folder, 'escaped.html');
    await inspect([capture, '--html', page]);
    const html = await readFile(page, 'utf8');
    expect(html).not.toContain('<img');
    expect(html).not.toContain('\u202e');
    expect(html).not.toContain('\u001b');
    // Its data and its own script, which the policy allows by a hash.
    expect(html.match(/<script[^>]*>/g)).toEqual([
      '<script type="application/json" id="chart-data">',
      '<script>',
    ]);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html).toMatch(
      /content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='"/,
    );
    expect(html).toContain('The MIT License (MIT)\n\nCopyright (c) 2022 Leon Sorokin');
    expect(html).toContain('&lt;/script&gt;&lt;img src=x onerror=&quot;document.title=1&quot;&gt;\\u202e');
    expect(html).not.toMatch(/(src|href|url)\s*[=(]\s*["']?(https?:|\/\/)/);
  });

  test.skipIf(chromium === undefined)(
    'in Chromium (skipped where there is none): exact figures under the pointer, light and dark, nothing from elsewhere',
    async () => {
      const path = join(folder, 'seen.html');
      await inspect([capture, '--html', path]);
      await using page = await BrowserPage.open();
      await page.go(`file://${path}`);
      expect(page.requests).toEqual([`file://${path}`]);
      expect(page.complaints).toEqual([]);
      const title = 'OPMAS events, 22 Nov 21:50:00 to 21:50:42 UTC';
      expect(await page.evaluate('document.title')).toBe(title);
      expect(await page.evaluate('document.querySelectorAll("img").length')).toBe(0);

      const plot = await page.evaluate<{ left: number; top: number; width: number; height: number }>(`(() => {
        const over = document.querySelector('.u-over');
        over.scrollIntoView({ block: 'center' });
        const { left, top, width, height } = over.getBoundingClientRect();
        return { left, top, width, height };
      })()`);
      /** The events of the plot are from second 2 to second 25. */
      const xOf = (seconds: number) => plot.left + ((seconds - 2) / 23.04) * plot.width;
      const legend = () =>
        page.evaluate<string[]>(
          `[...document.querySelectorAll('.u-series')].map((row) => row.textContent).filter((text) => /[1-9]$/.test(text))`,
        );
      await page.point(xOf(6.01), plot.top + 20);
      expect((await legend()).slice(1)).toEqual(['device.error1', 'problems1']);
      await page.point(xOf(15), plot.top + 20);
      expect(await page.evaluate('document.getElementById("chart-note").textContent')).toBe(
        'Outage of devices, 11s: closed 1006 abnormal closure',
      );

      const isOff = () =>
        page.evaluate<boolean>(`document.querySelector('.u-series:last-child').matches('.u-off')`);
      await page.evaluate(`document.querySelector('.u-series:last-child th').click()`);
      expect(await isOff()).toBe(true);
      await page.evaluate(`document.querySelector('.u-series:last-child th').click()`);
      expect(await isOff()).toBe(false);

      const marks = () => page.evaluate<string>(`document.querySelector('.u-over').dataset.span`);
      expect(await marks()).toBe('all');
      for (const [type, x] of [
        ['mousePressed', xOf(5)],
        ['mouseMoved', xOf(7)],
        ['mouseMoved', xOf(8)],
        ['mouseReleased', xOf(8)],
      ] as const) {
        const button = type === 'mouseMoved' ? { buttons: 1 } : { clickCount: 1 };
        await page.send('Input.dispatchMouseEvent', { type, x, y: plot.top + 50, button: 'left', ...button });
      }
      expect(await marks()).toBe('part');
      for (const type of ['mousePressed', 'mouseReleased', 'mousePressed', 'mouseReleased'])
        await page.send('Input.dispatchMouseEvent', {
          ...{ type, x: xOf(9), y: plot.top + 50, button: 'left', clickCount: 2 },
        });
      expect(await marks()).toBe('all');

      const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      const look = (media: string, scheme: string) =>
        page.send('Emulation.setEmulatedMedia', {
          media,
          features: [{ name: 'prefers-color-scheme', value: scheme }],
        });
      await look('screen', 'light');
      expect(await ground()).toBe('rgb(246, 247, 249)');
      await look('screen', 'dark');
      expect(await ground()).toBe('rgb(18, 22, 28)');
      await look('print', 'dark');
      expect(await ground()).toBe('rgb(255, 255, 255)');
      await look('screen', 'light');
      const phone = { width: 390, height: 800, deviceScaleFactor: 2, mobile: true };
      await page.send('Emulation.setDeviceMetricsOverride', phone);
      await page.go(`file://${path}`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      const told = (seconds: number, type: string, data: object) =>
        `${JSON.stringify({ received_at: at(seconds), endpoint: 'devices', type, data })}\n`;
      const long = 'a very long message '.repeat(100);
      const recovered = { device_id: 'ap-1', status: 'online', previous_status: 'down' };
      const input = [
        told(1, 'device.error', { device_id: 'site-berlin-'.repeat(5), message: long }),
        told(2, 'device.error', { device_id: 'ap-1', message: 'no power' }),
        told(3, 'device.status_update', recovered),
      ];
      await inspect(['-', '--html', path], input.join(''));
      await page.go(`file://${path}`);
      // No table is wider than its card, and no badge takes two lines.
      const wide = `[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length`;
      expect(await page.evaluate(wide)).toBe(0);
      const heights = `[...new Set([...document.querySelectorAll('.badge')].map((one) => one.offsetHeight))].join()`;
      expect(await page.evaluate(heights)).toBe('20');
      const tall = `[...document.querySelectorAll('.text')].filter((one) => one.offsetHeight > 70).length`;
      expect(await page.evaluate(tall)).toBe(0);
      expect(page.complaints).toEqual([]);
    },
  );
});
