/** Rows that publish to a stream of NATS. They need `nats-server`. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { LoadSource, OPMAS_WS, program } from '../load.mjs';
import { findProgram, MeasuredProcess } from '../measured-process.mjs';
import { recordingOf } from '../recording-file.mjs';
import { delaySample } from '../statistics.mjs';
import { monotonicMs } from '../times.mjs';

const MOST_LINES = 200_000;
const CLIENT = 'the client of NATS alone, 256 in flight';
const RATE = 1000;
const SECONDS = 6;

/** @param {number} events @returns {import('../bench.mjs').Row[]} */
export function natsRows(events) {
  const lines = Math.min(events, MOST_LINES);
  const { path } = recordingOf(lines);
  return [
    {
      name: 'publish FILE',
      unit: 'lines/s',
      goals: [
        { of: CLIENT, atLeast: 0.8 },
        { figure: 'peakRssMb', atMost: 160 },
      ],
      run: () =>
        withServer((host) =>
          measure(lines, host, [OPMAS_WS, 'publish', path, '--to', `nats://${host}/BENCH`]),
        ),
    },
    {
      name: CLIENT,
      unit: 'lines/s',
      goals: [],
      run: () =>
        withServer((host) =>
          measure(lines, host, [program('nats-client.mjs'), path, host, 'opmas-ws.event.x.y']),
        ),
    },
    {
      name: `record --publish at ${RATE} events a second, until the stream has them`,
      unit: 'ms p50',
      goals: [{ atMost: 50 }, { figure: 'peakRssMb', atMost: 160 }],
      run: () => withServer(measureLag),
    },
  ];
}

/** @param {number} lines @param {string} host @param {string[]} args */
async function measure(lines, host, args) {
  const publisher = new MeasuredProcess(process.execPath, args);
  const { code, at } = await publisher.ended;
  if (code !== 0) return `failed: ${publisher.stderr}`;
  const { peakRssMb, cpuSeconds = Number.NaN } = publisher.cost();
  const nc = await connect({ servers: host });
  const { state } = await (await jetstreamManager(nc)).streams.info('BENCH');
  await nc.close();
  return {
    value: (lines * 1000) / (at - publisher.startedAt),
    peakRssMb,
    cpuPerMillion: (cpuSeconds * 1e6) / lines,
    lines: state.messages,
    bad: Math.abs(lines - state.messages),
  };
}

/** @param {string} host */
async function measureLag(host) {
  const events = RATE * SECONDS;
  const source = await LoadSource.start(events, RATE);
  const nc = await connect({ servers: host });
  /** When each event was published. @type {number[]} */
  const cameAt = [];
  const allCame = new Promise((resolve) => {
    nc.subscribe('opmas-ws.event.>', {
      callback: () => {
        cameAt.push(monotonicMs());
        if (cameAt.length >= events) resolve(undefined);
      },
    });
  });
  const folder = mkdtempSync(join(tmpdir(), 'opmas-bench-'));
  const args = ['record', 'devices', '--url', source.url, '--no-token', '-o', join(folder, 'spool.ndjson')];
  const recorder = new MeasuredProcess(process.execPath, [
    OPMAS_WS,
    ...args,
    '--publish',
    `nats://${host}/BENCH`,
  ]);
  await Promise.race([allCame, recorder.ended]);
  const sentAt = await source.sentAt;
  const { peakRssMb } = recorder.cost();
  await recorder.stop();
  await source.stop();
  await nc.close();
  rmSync(folder, { recursive: true, force: true });
  return delaySample({ sentAt, cameAt, skipped: RATE, events, peakRssMb });
}

/**
 * Runs a measurement with a server and an empty stream of its own.
 *
 * @param {(host: string) => Promise<import('../receive.mjs').Sample | string>} work
 */
async function withServer(work) {
  const command = findProgram('nats-server') ?? '/usr/sbin/nats-server';
  const folder = mkdtempSync(join(tmpdir(), 'opmas-bench-'));
  const server = spawn(command, ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', '-1']);
  try {
    let log = '';
    for await (const chunk of server.stderr.iterator({ destroyOnReturn: false })) {
      log += chunk;
      if (/Server is ready/.test(log)) break;
    }
    server.stderr.resume();
    const [, host = ''] = /Listening for client connections on (\S+)/.exec(log) ?? [];
    const nc = await connect({ servers: host });
    const minutes = 60e9;
    await (await jetstreamManager(nc)).streams.add({
      name: 'BENCH',
      subjects: ['opmas-ws.>'],
      duplicate_window: 10 * minutes,
    });
    await nc.close();
    return await work(host);
  } catch (error) {
    return `not installed, or failed: ${/** @type {Error} */ (error).message}`;
  } finally {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
