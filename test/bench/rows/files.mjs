/** Rows that filter and inspect a recording: whole processes from start to end. */
import { LineCheck } from '../line-check.mjs';
import { OPMAS_WS } from '../load.mjs';
import { findProgram, MeasuredProcess } from '../measured-process.mjs';
import { recordingOf } from '../recording-file.mjs';
import { createMessages, hasKeptType, KEPT_EXPRESSION, KEPT_TYPE, meetsExpression } from '../stream.mjs';

const JQ = 'jq -c select';

/**
 * @param {number} lines How many lines the recording has.
 * @returns {import('../bench.mjs').Row[]}
 */
export function fileRows(lines) {
  const opmasWs = (/** @type {string[]} */ ...args) => [process.execPath, OPMAS_WS, ...args];
  const jq = findProgram('jq');
  const grep = findProgram('grep');
  const quoted = `"type":"${KEPT_TYPE}"`;
  const byType = expected(hasKeptType, lines);
  return [
    row(
      `tail --file --type ${KEPT_TYPE}`,
      [...opmasWs('tail', '--file'), '', '--type', KEPT_TYPE],
      lines,
      byType,
      [{ of: JQ, atLeast: 5 }],
    ),
    row(
      `tail --file --where '${KEPT_EXPRESSION}'`,
      [...opmasWs('tail', '--file'), '', '--where', KEPT_EXPRESSION],
      lines,
      expected(meetsExpression, lines),
    ),
    row('inspect --json', [...opmasWs('inspect', '--json'), ''], lines, undefined, [{ atLeast: 350 }]),
    row(JQ, [jq, '-c', `select(.type=="${KEPT_TYPE}")`, ''], lines, { ...byType, lines: 'any text' }),
    row('grep (finds nested types, too)', [grep, '-F', quoted, ''], lines, undefined),
  ];
}

/**
 * @param {string} name
 * @param {(string | undefined)[]} words The command; an empty word is replaced by the recording's path.
 * @param {number} lines
 * @param {import('../line-check.mjs').Expectation | undefined} expectation
 * @param {import('../bench.mjs').Goal[]} [goals]
 */
function row(name, words, lines, expectation, goals = []) {
  return { name, unit: 'MB/s', goals, run: async () => measure(words, lines, expectation) };
}

/**
 * @param {(string | undefined)[]} words
 * @param {number} lines
 * @param {import('../line-check.mjs').Expectation | undefined} expectation
 */
async function measure(words, lines, expectation) {
  const { path, bytes } = recordingOf(lines);
  const [command, ...args] = words;
  if (command === undefined) return 'not installed';
  const reader = new MeasuredProcess(
    command,
    args.map((word) => (word === '' ? path : (word ?? ''))),
    { stdout: 'pipe' },
  );
  const check = new LineCheck(expectation ?? { messages: [], total: 0, lines: 'any text' });
  reader.stdout?.on('data', (chunk) => check.push(chunk));
  const { code, at } = await reader.ended;
  if (code !== 0) return `failed: ${reader.stderr}`;
  const { peakRssMb, cpuSeconds } = reader.cost();
  return {
    value: bytes / 1000 / (at - reader.startedAt),
    peakRssMb,
    cpuPerMillion: cpuSeconds === undefined ? undefined : (cpuSeconds * 1e6) / lines,
    lines: check.lines,
    bad: check.bad + (expectation === undefined ? 0 : Math.abs(expectation.total - check.lines)),
  };
}

/**
 * @param {(message: Buffer) => boolean} keeps
 * @param {number} lines
 * @returns {import('../line-check.mjs').Expectation}
 */
function expected(keeps, lines) {
  const messages = createMessages();
  const kept = messages.filter(keeps);
  const rest = messages.slice(0, lines % messages.length).filter(keeps).length;
  return {
    messages: kept,
    total: Math.floor(lines / messages.length) * kept.length + rest,
    lines: 'event line',
  };
}
