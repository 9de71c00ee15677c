import { stat } from 'node:fs/promises';
import { escapeUnsafe, type InspectedRecording, inspectRecording, OpmasError } from '../../../index.js';
import { escapeUnsafeJson } from '../../../internal.js';
import type { Session } from '../../session.js';
import { showProgress } from '../../terminal/reading-messages.js';
import { ProblemMessages } from '../../terminal/recording-problems.js';
import { jsonReport } from './json-report.js';

/** What commander makes of the options of `inspect`. */
export interface InspectCommandOptions {
  json?: boolean;
  html?: string;
  strict?: boolean;
}

/** Reads recordings once and reports what is in them. */
export async function runInspect(
  session: Session,
  files: readonly string[],
  options: InspectCommandOptions,
): Promise<void> {
  const { out, messages } = session.terminal;
  if (options.html === '' || options.html === '-') {
    throw new OpmasError('USAGE', `--html: ${JSON.stringify(options.html)} is no file`, {
      hint: 'Name a file: --html report.html',
    });
  }
  if (options.html !== undefined) {
    const { checkPagePath } = await import('./write-page.js');
    await checkPagePath(options.html);
  }
  const problems = new ProblemMessages(messages);
  const progress = await showProgress(messages, await totalSize(files));
  let report: InspectedRecording;
  try {
    report = await inspectRecording(files, {
      strict: options.strict,
      signal: session.stop,
      onProblem: options.strict ? undefined : problems.onProblem,
      onRead: progress.advance,
    });
  } finally {
    progress.end();
    problems.end();
  }
  if (session.stop.aborted) messages.warn('stopped before the end: the figures are those of what was read');
  if (options.html !== undefined) {
    const { writePage } = await import('./write-page.js');
    await writePage(options.html, files, report);
    messages.say(`Wrote ${escapeUnsafe(options.html)}`);
  }
  if (options.json) {
    const json = `${JSON.stringify(jsonReport(report))}\n`;
    await out.write(out.isTerminal ? `${escapeUnsafeJson(json.trimEnd())}\n` : json);
  } else if (options.html === undefined) {
    const { textReport } = await import('./text-report.js');
    await out.write(textReport(files, report, out));
  }
}

/** Bytes of all files; `undefined` when one of them has no size, as stdin. */
async function totalSize(files: readonly string[]): Promise<number | undefined> {
  let total = 0;
  for (const file of files) {
    const stats = file === '-' ? undefined : await stat(file).catch(() => undefined);
    if (!stats?.isFile()) return undefined;
    total += stats.size;
  }
  return total;
}
