/** Rows for the time from the server's send to the line at the reader of stdout, at 100 events a second. */
import { LoadSource, OPMAS_WS } from '../load.mjs';
import { findProgram, MeasuredProcess } from '../measured-process.mjs';
import { delaySample } from '../statistics.mjs';
import { monotonicMs } from '../times.mjs';

const RATE = 100;
const SECONDS = 6;
const LF = 0x0a;

/** @returns {import('../bench.mjs').Row[]} */
export function latencyRows() {
  const wscat = findProgram('wscat');
  return [
    {
      name: 'tail --format json',
      unit: 'ms p50',
      goals: [
        { of: 'wscat', atMost: 1.4 },
        { figure: 'p99', atMost: 2 },
      ],
      run: () =>
        measure((url) => [process.execPath, [OPMAS_WS, 'tail', 'devices', '--url', url, '--no-token']]),
    },
    {
      name: 'wscat',
      unit: 'ms p50',
      goals: [],
      run: async () => (wscat === undefined ? 'not installed' : measure((url) => [wscat, ['-c', url]])),
    },
  ];
}

/** @param {(url: string) => [string, string[]]} command */
async function measure(command) {
  const events = RATE * SECONDS;
  const source = await LoadSource.start(events, RATE);
  const receiver = new MeasuredProcess(...command(source.url), { stdout: 'pipe' });
  /** When each line came. @type {number[]} */
  const cameAt = [];
  const allCame = new Promise((resolve) => {
    receiver.stdout?.on('data', (chunk) => {
      const now = monotonicMs();
      for (const byte of chunk) if (byte === LF) cameAt.push(now);
      if (cameAt.length >= events) resolve(undefined);
    });
  });
  await Promise.race([allCame, receiver.ended]);
  const sentAt = await source.sentAt;
  const { peakRssMb } = receiver.cost();
  await receiver.stop();
  await source.stop();
  return delaySample({ sentAt, cameAt, skipped: RATE, events, peakRssMb });
}
