/** Rows that serve a recording: as fast as clients take it, and at its recorded times. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { OPMAS_WS, program } from '../load.mjs';
import { MeasuredProcess } from '../measured-process.mjs';
import { recordingOf } from '../recording-file.mjs';
import { monotonicMs } from '../times.mjs';

/** The first events do not count: code is loaded and compiled then. */
const WARM_UP_MS = 1500;
const COUNTING = 'ws that only counts';
const PATH = '/api/v1/ws/devices';

/**
 * @param {number} events With a million, a single client gets a recording of 1 GB; several share ten times a million.
 * @returns {import('../bench.mjs').Row[]}
 */
export function replayRows(events) {
  const one = events * 3;
  const ten = events;
  const hundred = Math.ceil(events / 10);
  return [
    {
      name: COUNTING,
      unit: 'events/s',
      goals: [],
      run: () => measureServing(replay(one), [program('count-only.mjs')], one, 1),
    },
    ...clientsRows(1, one, 5, [{ of: COUNTING, atLeast: 1.5 }]),
    ...clientsRows(10, ten, 20),
    ...clientsRows(100, hundred, 40),
    firstEventRow(one),
    firstEventRow(one, ['--lifecycle']),
    latenessRow(1000, 1),
    latenessRow(20_000, 1000),
    latenessRow(20_000, 1),
    napsRow(),
  ];
}

/**
 * Makes the rows of a replay and its yardstick.
 *
 * @param {number} clients
 * @param {number} events
 * @param {number} times
 * @param {import('../bench.mjs').Goal[]} [goals]
 * @returns {import('../bench.mjs').Row[]}
 */
function clientsRows(clients, events, times, goals = []) {
  const sink = [program('raw-sink.mjs')];
  const to = `to ${clients} ${clients === 1 ? 'client' : 'clients'}`;
  const yardstick = `ws.send ${to}`;
  // The yardstick is so much slower that fewer events are enough.
  const fewer = Math.ceil(events / 4);
  const send = () => [program('ws-send-server.mjs'), String(fewer)];
  return [
    {
      name: `replay --speed max ${to}`,
      unit: 'events/s',
      goals: [{ of: yardstick, atLeast: times }, { figure: 'peakRssMb', atMost: 90 }, ...goals],
      run: () => measureServing(replay(events), sink, events, clients),
    },
    { name: yardstick, unit: 'events/s', goals: [], run: () => measureServing(send, sink, fewer, clients) },
  ];
}

/** @param {number} events */
function replay(events) {
  return () => {
    const { path } = recordingOf(events);
    return [OPMAS_WS, 'replay', path, '--speed', 'max', '--port', '0', '--auth', 'none'];
  };
}

/**
 * Measures events a second, to all clients together.
 *
 * @param {() => string[]} server A Node program and its arguments; its first line on stdout tells the address.
 * @param {string[]} client A Node program; it gets address, events and number of connections.
 * @param {number} events To each client.
 * @param {number} clients
 */
async function measureServing(server, client, events, clients) {
  const serving = new MeasuredProcess(process.execPath, server(), { stdout: 'pipe' });
  try {
    const { listening } = JSON.parse(await firstLine(serving));
    const args = [...client, `${listening}${PATH}`, String(events), String(clients)];
    const before = serving.cost().cpuSeconds ?? 0;
    const receiving = new MeasuredProcess(process.execPath, args, { stdout: 'pipe' });
    const seconds = Number(await firstLine(receiving)) / 1000;
    const { cpuSeconds = 0, peakRssMb } = serving.cost();
    await receiving.stop();
    const total = events * clients;
    return { value: total / seconds, cpuPerMillion: ((cpuSeconds - before) * 1e6) / total, peakRssMb };
  } finally {
    await serving.stop();
  }
}

/**
 * Measures how soon a client has its first event of a large recording, from the start of the program on. With
 * `--lifecycle` the whole recording is indexed first.
 *
 * @param {number} events
 * @param {string[]} options
 * @returns {import('../bench.mjs').Row}
 */
function firstEventRow(events, options = []) {
  const gigabytes = (events * 335) / 1e9;
  return {
    name: ['replay', ...options, 'to its first event'].join(' '),
    unit: 's',
    goals: [
      { atMost: options.length === 0 ? 0.3 : 0.3 + 2.5 * gigabytes },
      { figure: 'peakRssMb', atMost: 100 },
    ],
    run: async () => {
      const { path } = recordingOf(events);
      const args = [OPMAS_WS, 'replay', path, '--port', '0', '--auth', 'none', ...options];
      const serving = new MeasuredProcess(process.execPath, args, { stdout: 'pipe' });
      try {
        const { listening } = JSON.parse(await firstLine(serving));
        const socket = new WebSocket(`${listening}${PATH}`, { perMessageDeflate: false });
        await once(socket, 'message');
        const value = (monotonicMs() - serving.startedAt) / 1000;
        socket.terminate();
        return { value, peakRssMb: serving.cost().peakRssMb };
      } finally {
        await serving.stop();
      }
    },
  };
}

/**
 * @param {number} rate
 * @param {number} resolution Of the recorded times, in microseconds. Servers that stamp milliseconds give runs of events
 *   that are due together; evenly spaced ones are the hardest case.
 * @returns {import('../bench.mjs').Row}
 */
function latenessRow(rate, resolution) {
  const seconds = 6;
  const stamps = resolution === 1000 ? ' in whole milliseconds' : '';
  return {
    name: `replay at ${rate} events/s${stamps}, lateness`,
    unit: 'ms p50',
    goals: [
      { atMost: 0.2 },
      { figure: 'p99', atMost: 0.6 },
      { figure: 'driftPercent', atMost: 0.1 },
      { figure: 'cpuPercent', atMost: 10 },
    ],
    run: async () => {
      const events = rate * seconds;
      const { path } = recordingOf(events, rate, resolution);
      const args = [OPMAS_WS, 'replay', path, '--port', '0', '--auth', 'none'];
      const serving = new MeasuredProcess(process.execPath, args, { stdout: 'pipe' });
      try {
        const { listening } = JSON.parse(await firstLine(serving));
        const figures = [events, rate, resolution / 1000].map(String);
        const sink = [program('lateness-sink.mjs'), `${listening}${PATH}`, ...figures];
        const receiving = new MeasuredProcess(process.execPath, sink, { stdout: 'pipe' });
        const finished = firstLine(receiving);
        await delay(WARM_UP_MS);
        const cpu = measureCpu(serving);
        const result = JSON.parse(await finished);
        const cpuPercent = cpu();
        const { peakRssMb } = serving.cost();
        await receiving.stop();
        return { ...result, value: result.p50, peakRssMb, cpuPercent };
      } finally {
        await serving.stop();
      }
    },
  };
}

/**
 * Measures the CPU that naps alone cost on this machine, without any event: the floor for the rows above.
 *
 * @returns {import('../bench.mjs').Row}
 */
function napsRow() {
  const seconds = 4;
  return {
    name: 'naps of 0.25 ms, and nothing else',
    unit: '% CPU',
    goals: [],
    run: async () => {
      const napping = new MeasuredProcess(process.execPath, [program('naps.mjs')]);
      await delay(WARM_UP_MS);
      const cpu = measureCpu(napping);
      await delay(seconds * 1000);
      const value = cpu();
      await napping.stop();
      return { value };
    },
  };
}

/**
 * @param {MeasuredProcess} running
 * @returns {() => number} Returns the CPU used since then, in % of one core.
 */
function measureCpu(running) {
  const startedAt = monotonicMs();
  const before = running.cost().cpuSeconds ?? Number.NaN;
  return () => {
    const seconds = (monotonicMs() - startedAt) / 1000;
    return (((running.cost().cpuSeconds ?? Number.NaN) - before) / seconds) * 100;
  };
}

/**
 * @param {MeasuredProcess} running
 * @returns {Promise<string>}
 */
function firstLine(running) {
  return new Promise((resolve, reject) => {
    let text = '';
    running.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    void running.ended.then(() => reject(new Error(running.stderr || 'it ended without a word')));
  });
}
