import { setImmediate as nextTurn } from 'node:timers/promises';
import { type LineBatch, systemClock } from '../../index.js';
import { escapeUnsafeJson, type ProblemCounts } from '../../internal.js';
import type { Renderer } from '../render/renderer.js';
import type { DataOutput } from '../terminal/terminal.js';

const LF = 0x0a;
/** Batches are printed for so long without a break, in which signals are handled. */
const LONGEST_TURN_MS = 50;

/** Options for printing lines. */
export interface PrintOptions {
  format: 'auto' | 'pretty' | 'json';
  /** Pretty: does not cut lines to the width. */
  full?: boolean;
  /** Pretty: prints times in UTC. */
  utc?: boolean;
  /** Pretty: counts the problems that are printed. */
  counts?: ProblemCounts;
}

/** Writes a batch to stdout; resolves when stdout has accepted it. */
export type LinePrinter = (batch: LineBatch) => Promise<void>;

/** Creates the printer of a format; `auto` is pretty on a terminal and with `full`, and NDJSON elsewhere. */
export async function createLinePrinter(out: DataOutput, options: PrintOptions): Promise<LinePrinter> {
  if (options.format === 'pretty' || (options.format === 'auto' && (out.isTerminal || options.full))) {
    return createPrettyPrinter(out, options);
  }
  // A terminal gets control characters as escapes; pipes and files get the bytes that the server sent.
  if (out.isTerminal)
    return ({ bytes }) => out.write(bytes.toString().split('\n').map(escapeUnsafeJson).join('\n'));
  return (batch) => out.write(batch.bytes).then(batch.release);
}

async function createPrettyPrinter(out: DataOutput, options: PrintOptions): Promise<LinePrinter> {
  const { Renderer } = await import('../render/renderer.js');
  let width = out.columns;
  const rendererSince = (startMicros: number) =>
    new Renderer({
      width,
      // Only a terminal has a width to cut to.
      full: options.full === true || !out.isTerminal,
      utc: options.utc === true,
      palette: out.palette,
      startMicros,
      problems: options.counts,
    });
  let renderer = rendererSince(systemClock.nowMicros());
  let turnStart = performance.now();
  return async (batch) => {
    // The window was resized.
    if (out.columns !== width) {
      width = out.columns;
      renderer = rendererSince(renderer.lastMicros);
    }
    const lines = renderLines(renderer, batch.bytes);
    batch.release?.();
    await out.write(out.isTerminal ? lines.join('') : encode(lines));
    // While batches wait and the reader is fast, nothing else gives the event loop a turn.
    if (performance.now() - turnStart < LONGEST_TURN_MS) return;
    await nextTurn();
    turnStart = performance.now();
  };
}

function renderLines(renderer: Renderer, bytes: Buffer): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
    lines.push(renderer.render(bytes, start, end));
    start = end + 1;
  }
  return lines;
}

/** Encodes line by line: one character beyond Latin-1 doubles the memory of a text and of all that is joined to it. */
function encode(lines: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafeSlow(lines.reduce((sum, { length }) => sum + 3 * length, 0));
  let end = 0;
  for (const line of lines) end += bytes.write(line, end);
  return bytes.subarray(0, end);
}
