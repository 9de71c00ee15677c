import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import {
  findStatusPath,
  jsonText,
  prometheusText,
  type RecorderFacts,
} from '../../src/cli/commands/record/status-file.js';
import { event } from '../support/raw-frames.js';
import { canary, test } from '../support/stage.js';
import { eventually } from '../support/time-limits.js';

const namespaces = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0;

const NO_FIGURES = { events: {}, lastEventAt: {}, gaps: { count: 0, totalMs: 0 }, invalid: 0, dropped: 0 };
const odd = '/own/"stream"\\with\nall';
const facts: RecorderFacts = {
  startedAt: 1_800_000_000_000_000,
  now: 1_800_000_090_500_000,
  exitCode: null,
  writer: { path: 'x.ndjson', lines: 12, bytes: 3456, files: 2, size: 789 },
  states: new Map([
    ['devices', { name: 'open', sinceMs: 0 }],
    ['agents', { name: 'waiting', sinceMs: 0 }],
    [odd, { name: 'open', sinceMs: 0 }],
  ]),
  stream: {
    ...NO_FIGURES,
    events: { devices: 7, agents: 0, [odd]: 2 },
    lastEventAt: { devices: '2027-01-15T08:01:30.000000Z', [odd]: '2027-01-15T08:00:10.250000Z' },
    gaps: { count: 1, totalMs: 2500.4 },
    invalid: 3,
    dropped: 4,
  },
  publishing: { isConnected: true, published: 5, unpublished: 6, leftOut: 0, deleted: 1, trouble: 'is full' },
  lastError: { at: '2027-01-15T08:00:05.000000Z', message: 'agents: HTTP 503' },
};

interface Family {
  type: string;
  help: string;
  samples: Map<string, number>;
}

/** Reads the text format of Prometheus by its rules, and throws at what breaks them. */
function parsePrometheus(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let name = '';
  let family: Family = { type: '', help: '', samples: new Map() };
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP (\S+) (\S.*)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    const sample = /^([a-z_]+)(?:\{([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"\})? (-?[\d.]+)$/.exec(line);
    if (help !== null) {
      if (families.has(help[1]!)) throw new Error(`${help[1]} comes twice`);
      name = help[1]!;
      family = { type: '', help: help[2]!, samples: new Map() };
      families.set(name, family);
    } else if (type !== null && type[1] === name && family.samples.size === 0) {
      family.type = type[2]!;
    } else if (sample !== null && sample[1] === name && family.type !== '') {
      const label = sample[3]?.replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one)) ?? '';
      if (family.samples.has(label)) throw new Error(`twice: ${line}`);
      family.samples.set(label, Number(sample[4]));
    } else throw new Error(`not understood: ${line}`);
  }
  return families;
}

describe('a status for Prometheus', () => {
  test('follows the rules for the text and for names', ({ expect }) => {
    const families = parsePrometheus(prometheusText(facts));
    expect(families.size).toBeGreaterThan(14);
    for (const [name, { type, help }] of families) {
      expect(name).toMatch(/^opmas_ws_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
    }
  });

  test('has one value for each endpoint, whatever its name; times are seconds', ({ expect }) => {
    const text = prometheusText(facts);
    expect(text).toContain('\nopmas_ws_events_total{endpoint="devices"} 7\n');
    const samplesOf = (name: string) =>
      Object.fromEntries(parsePrometheus(text).get(`opmas_ws_${name}`)!.samples);
    expect(samplesOf('events_total')).toEqual({ devices: 7, agents: 0, [odd]: 2 });
    expect(samplesOf('endpoint_connected')).toEqual({ devices: 1, agents: 0, [odd]: 1 });
    expect(samplesOf('last_event_timestamp_seconds')).toEqual({
      devices: 1_800_000_090,
      [odd]: 1_800_000_010.25,
    });
    expect(samplesOf('last_event_age_seconds')).toEqual({ devices: 0.5, [odd]: 80.25 });
    expect(samplesOf('start_time_seconds')).toEqual({ '': 1_800_000_000 });
    expect(samplesOf('gap_seconds_total')).toEqual({ '': 2.5 });
    expect(samplesOf('publishing')).toEqual({ '': 1 });
    expect(samplesOf('unpublished_lines')).toEqual({ '': 6 });
  });

  test('says whether it runs, and leaves out what is not known yet', ({ expect }) => {
    const little = { ...facts, stream: NO_FIGURES, lastError: undefined, publishing: undefined };
    const running = parsePrometheus(prometheusText(little));
    expect([...running.get('opmas_ws_running')!.samples.values()]).toEqual([1]);
    for (const name of [
      'exit_code',
      'last_event_age_seconds',
      'last_error_timestamp_seconds',
      'published_lines_total',
    ])
      expect(running.has(`opmas_ws_${name}`)).toBe(false);
    const ended = parsePrometheus(prometheusText({ ...facts, exitCode: 5 }));
    expect([...ended.get('opmas_ws_running')!.samples.values()]).toEqual([0]);
    expect([...ended.get('opmas_ws_exit_code')!.samples.values()]).toEqual([5]);
  });
});

test('a status in JSON is one line with the same figures', ({ expect }) => {
  const text = jsonText(facts);
  expect(text.indexOf('\n')).toBe(text.length - 1);
  expect(JSON.parse(text)).toMatchObject({
    state: 'running',
    exit_code: null,
    started_at: '2027-01-15T08:00:00.000000Z',
    connected: 2,
    events: 9,
    last_event_at: '2027-01-15T08:01:30.000000Z',
    last_event_age_seconds: 0.5,
    ...{
      gaps: 1,
      gap_seconds: 2.5,
      invalid: 3,
      dropped: 4,
      lines: 12,
      bytes: 3456,
      files: 2,
      file_bytes: 789,
    },
    ...{
      publishing: true,
      publishing_error: 'is full',
      published: 5,
      unpublished: 6,
      left_out: 0,
      deleted_unpublished: 1,
    },
    last_error: 'agents: HTTP 503',
    endpoints: { agents: { state: 'waiting', connected: false, events: 0, last_event_at: null } },
  });
});

describe('the file of a status', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'opmas-status-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is a new file, or one with an earlier status, also behind a link', async ({ expect }) => {
    const at = (name: string) => join(folder, name);
    writeFileSync(at('a.json'), jsonText(facts));
    writeFileSync(at('a.prom'), prometheusText(facts));
    writeFileSync(at('empty'), '');
    for (const name of ['new', 'a.json', 'a.prom', 'empty'])
      expect(await findStatusPath(at(name), at('out'))).toBe(at(name));
    symlinkSync('a.json', at('link'));
    expect(await findStatusPath(at('link'), undefined)).toBe(at('a.json'));
  });

  test('is nothing else, and is not the recording', async ({ expect }) => {
    const at = (name: string) => join(folder, name);
    writeFileSync(at('notes'), 'precious');
    mkdirSync(at('folder'));
    spawnSync('mkfifo', [at('pipe')]);
    for (const path of [at('notes'), at('folder'), at('pipe'), '/dev/null', '', '-'])
      await expect(findStatusPath(path, undefined), path).rejects.toMatchObject({ code: 'USAGE' });
    // The lock keeps a second recorder out.
    for (const name of ['x', 'x.lock'])
      await expect(findStatusPath(at(name), `${folder}/./x`), name).rejects.toMatchObject({ code: 'USAGE' });
    for (const path of [at('none/x'), at('notes/x')])
      await expect(findStatusPath(path, undefined), path).rejects.toMatchObject({ code: 'LOCAL' });
  });
});

describe.concurrent('record --status', () => {
  test('is there at the start, follows every 5 s, and tells the end', async ({ serve, command, expect }) => {
    const server = await serve();
    const words = ['record', 'devices', 'rules', '-u', server.url, '-o', 'x.ndjson'];
    const recorder = command.start([...words, '--status', 's.json', '--mode', '640']);
    const { home } = command.sandbox;
    const path = join(home, 's.json');
    const status = () => JSON.parse(readFileSync(path, 'utf8'));
    const [one, other] = [await server.request(), await server.request()];
    const start = status();
    expect(start).toMatchObject({ state: 'running', connected: 0, events: 0, last_error: null });
    expect(command.sandbox.modeOf('s.json')).toBe(0o640);
    other.respond('503 Service Unavailable');
    const connection = one.accept();
    connection.text(event(1), event(2));
    await eventually(() => expect(status().events).toBe(2));
    expect(status()).toMatchObject({ state: 'running', connected: 1, started_at: start.started_at });
    expect(status().last_error).toMatch(/^(devices|rules): HTTP 503$/);
    recorder.child.kill('SIGTERM');
    await recorder.ended;
    const size = readFileSync(join(home, 'x.ndjson')).length;
    expect(status()).toMatchObject({
      state: 'ended',
      exit_code: 143,
      connected: 0,
      bytes: size,
      file_bytes: size,
    });
    expect(readFileSync(path, 'utf8')).not.toContain(canary);
    expect(readdirSync(home).sort()).toEqual(['s.json', 'x.ndjson']);
  });

  test.skipIf(!namespaces)(
    'is missed once on a full disk, and the recording goes on',
    async ({ serve, command, expect }) => {
      const server = await serve();
      mkdirSync(join(command.sandbox.home, 'disk'));
      const script = `mount -t tmpfs -o size=4k tmpfs disk; head -c 4096 /dev/zero > disk/full; "$@"; code=$?
      ls -A disk >&2; exit $code`;
      const { ended } = command.start(
        [
          'record',
          'devices',
          '-u',
          server.url,
          '-o',
          'x.ndjson',
          '--status',
          'disk/s.prom',
          '--duration',
          '7s',
        ],
        { through: ['unshare', '-rm', 'sh', '-c', script, '-'] },
      );
      (await server.request()).accept().text(event(1));
      const { code, stderr } = await ended;
      expect([
        code,
        stderr.match(/disk\/s\.prom cannot be written: the disk is full \(ENOSPC\);/g)?.length,
      ]).toEqual([0, 1]);
      expect(stderr).toMatch(/4 lines written to x\.ndjson[\s\S]*\nfull\n$/);
    },
  );
});
