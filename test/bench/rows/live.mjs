/** Rows for a live stream that comes as fast as it is taken. */

import { OPMAS_WS, program } from '../load.mjs';
import { findProgram } from '../measured-process.mjs';
import { measureReception } from '../receive.mjs';
import { createMessages, hasKeptType, KEPT_EXPRESSION, KEPT_TYPE, meetsExpression } from '../stream.mjs';

const messages = createMessages();
const ENDPOINTS = ['devices', 'agents', 'rules', 'system'];
const SLOW_READER = 10_000_000;

export const CEILING = 'ws that only counts';

/** @typedef {import('../receive.mjs').Reception} Reception */

/** @param {number} events Number of events for each row. @returns {import('../bench.mjs').Row[]} */
export function liveRows(events) {
  const wscat = findProgram('wscat');
  const python = findProgram('python3');
  const websocat = findProgram('websocat');
  const all = { messages, total: events };

  /** @param {string} name @param {Omit<Reception, 'events'>} reception @param {import('../bench.mjs').Goal[]} [goals] */
  const row = (name, reception, goals = []) => ({
    name,
    unit: 'events/s',
    goals,
    run: () => measureReception({ events, ...reception }),
  });
  /** @param {string} name @param {string[]} args @param {Partial<Reception>} reception @param {import('../bench.mjs').Goal[]} goals */
  const tail = (name, args, reception, goals) =>
    row(
      name,
      {
        output: 'pipe',
        command: (url) => opmasWs('tail', 'devices', '--url', url, '--no-token', ...args),
        expectation: { ...all, lines: 'event line' },
        ...reception,
      },
      goals,
    );
  /** @param {string} name @param {string | undefined} command @param {(url: string) => string[]} args @param {Reception['output']} output */
  const peer = (name, command, args, output) =>
    command === undefined
      ? { name, unit: 'events/s', goals: [], run: async () => 'not installed' }
      : row(name, {
          output,
          command: (url) => [command, args(`${url}/api/v1/ws/devices`)],
          expectation: { ...all, lines: 'message' },
        });

  const counting = {
    output: /** @type {const} */ ('pipe'),
    expectation: { messages, total: 1, lines: /** @type {const} */ ('any text') },
  };
  return [
    row('raw sink (is the source fast enough?)', {
      ...counting,
      command: (url) => [process.execPath, [program('raw-sink.mjs'), url, String(events)]],
    }),
    row(CEILING, {
      ...counting,
      command: (url) => [process.execPath, [program('count-only.mjs'), url, String(events)]],
    }),
    tail('tail --format json to a pipe', [], {}, [
      { of: CEILING, atLeast: 0.38 },
      { of: CEILING, figure: 'cpuPerMillion', atMost: 2.3 },
      { figure: 'peakRssMb', atMost: 90 },
    ]),
    tail('tail --format json to a file', [], { output: 'stdout file' }, [
      { of: CEILING, atLeast: 0.44 },
      { of: 'wscat to a file', atLeast: 1.8 },
    ]),
    row(
      'record',
      {
        output: 'own file',
        command: (url, file) => opmasWs('record', 'devices', '--url', url, '--no-token', '-o', file),
        expectation: { ...all, lines: 'event line' },
      },
      [
        { of: CEILING, atLeast: 0.44 },
        { of: 'wscat to a file', atLeast: 1.8 },
      ],
    ),
    tail(
      `tail --type ${KEPT_TYPE} (1 in 10)`,
      ['--type', KEPT_TYPE],
      { expectation: expectOnly(hasKeptType, events) },
      [{ of: CEILING, atLeast: 0.42 }],
    ),
    tail(
      `tail --where '${KEPT_EXPRESSION}' (1 in 10)`,
      ['--where', KEPT_EXPRESSION],
      { expectation: expectOnly(meetsExpression, events) },
      [{ of: CEILING, atLeast: 0.22 }],
    ),
    tail(
      'tail --format pretty --color always',
      ['--format', 'pretty', '--color', 'always'],
      { expectation: { ...all, lines: 'any text' } },
      [{ of: CEILING, atLeast: 0.08 }],
    ),
    tail('tail of four endpoints', [...ENDPOINTS.slice(1)], { connections: ENDPOINTS.length }, [
      { of: 'tail --format json to a pipe', atLeast: 0.95 },
    ]),
    tail(
      'the same, read at 10 MB/s',
      [...ENDPOINTS.slice(1)],
      {
        connections: ENDPOINTS.length,
        bytesPerSecond: SLOW_READER,
        events: slowEvents(events),
        expectation: { ...all, total: slowEvents(events), lines: 'event line' },
      },
      [{ of: CEILING, figure: 'peakRssMb', atMost: 1.4 }],
    ),
    peer('wscat to a pipe', wscat, (url) => ['-c', url], 'pipe'),
    peer('wscat to a file', wscat, (url) => ['-c', url], 'stdout file'),
    peer('Python websockets', python, (url) => [program('python-client.py'), url], 'pipe'),
    peer('websocat', websocat, (url) => ['--text', '-B', '1000000', url], 'pipe'),
  ];
}

/** @param {string[]} args @returns {[string, string[]]} */
function opmasWs(...args) {
  return [process.execPath, [OPMAS_WS, ...args]];
}

/**
 * Returns enough events for about ten seconds at 10 MB/s.
 *
 * @param {number} events
 */
function slowEvents(events) {
  return Math.min(events, 300_000);
}

/**
 * Returns the lines to expect from a filter over the given number of events.
 *
 * @param {(message: Buffer) => boolean} keeps
 * @param {number} events
 */
function expectOnly(keeps, events) {
  const kept = messages.filter(keeps);
  const rest = messages.slice(0, events % messages.length).filter(keeps).length;
  const total = Math.floor(events / messages.length) * kept.length + rest;
  return { messages: kept, total, lines: /** @type {const} */ ('event line') };
}
