/** Rows for start-up: the time that is added to Node's own. */
import { LoadSource, OPMAS_WS } from '../load.mjs';
import { findProgram, MeasuredProcess } from '../measured-process.mjs';
import { median } from '../statistics.mjs';

const STARTS = 9;

/**
 * Node's own start is measured next to each start and subtracted.
 *
 * @returns {import('../bench.mjs').Row[]}
 */
export function startupRows() {
  const wscat = findProgram('wscat');
  /**
   * @param {string} name
   * @param {number | undefined} limit
   * @param {() => Promise<number>} once
   * @returns {import('../bench.mjs').Row}
   */
  const row = (name, limit, once) => ({
    name,
    unit: 'ms above node -e 0',
    goals: limit === undefined ? [] : [{ atMost: limit }],
    run: async () => {
      const above = [];
      for (let i = 0; i < STARTS; i++) {
        const own = await untilEnd(['-e', '0']);
        above.push((await once()) - own);
      }
      return { value: median(above) };
    },
  });
  return [
    row('--version', 20, () => untilEnd([OPMAS_WS, '--version'])),
    row('--help', 20, () => untilEnd([OPMAS_WS, '--help'])),
    row('tail --help', undefined, () => untilEnd([OPMAS_WS, 'tail', '--help'])),
    row('tail, to the first byte sent', 60, () =>
      untilFirstByte((url) => [process.execPath, [OPMAS_WS, 'tail', 'devices', '--url', url, '--no-token']]),
    ),
    wscat === undefined
      ? { name: 'wscat, to the first byte sent', unit: '', goals: [], run: async () => 'not installed' }
      : row('wscat, to the first byte sent', undefined, () => untilFirstByte((url) => [wscat, ['-c', url]])),
  ];
}

/** @param {string[]} args */
async function untilEnd(args) {
  const running = new MeasuredProcess(process.execPath, args);
  const { at } = await running.ended;
  return at - running.startedAt;
}

/** @param {(url: string) => [string, string[]]} command */
async function untilFirstByte(command) {
  const source = await LoadSource.start(1);
  const running = new MeasuredProcess(...command(source.url), { stdout: 'pipe' });
  await new Promise((resolve) => running.stdout?.once('data', resolve));
  await running.stop();
  await source.stop();
  return source.requestedAt - running.startedAt;
}
