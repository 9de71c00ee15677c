/** Rows for a tail that gets no events: the cost of waiting. */
import { LoadSource, OPMAS_WS } from '../load.mjs';
import { MeasuredProcess } from '../measured-process.mjs';

/** Time that start-up may take. */
const SETTLE_MS = 3000;

/**
 * @param {number} seconds How long to look.
 * @returns {import('../bench.mjs').Row[]}
 */
export function idleRows(seconds) {
  return [
    {
      name: `tail of four endpoints, idle for ${seconds} s`,
      unit: '% CPU',
      goals: [{ atMost: 0.1 }, { figure: 'rssGrowthMb', atMost: 2 }],
      run: async () => {
        const source = await LoadSource.start(0);
        const args = [OPMAS_WS, 'tail', '--url', source.url, '--no-token'];
        const tail = new MeasuredProcess(process.execPath, args, { stdout: 'pipe' });
        await sleep(SETTLE_MS);
        const before = tail.cost();
        // In the first half, memory grows until V8 first collects garbage.
        await sleep((seconds / 2) * 1000);
        const between = tail.cost();
        await sleep((seconds / 2) * 1000);
        const after = tail.cost();
        await tail.stop();
        await source.stop();
        return {
          value: (((after.cpuSeconds ?? Number.NaN) - (before.cpuSeconds ?? 0)) / seconds) * 100,
          peakRssMb: after.peakRssMb,
          rssGrowthMb: (after.rssMb ?? Number.NaN) - (between.rssMb ?? 0),
        };
      },
    },
  ];
}

/** @param {number} milliseconds */
function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
