import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LineBatch } from '../../index.js';
import { escapeUnsafeJson } from '../../internal.js';
import type { Renderer } from '../render/renderer.js';
import type { DataOutput } from '../terminal/terminal.js';

const LF = 0x0a;
/** Lines are rendered for so long without a break, in which signals are handled. */
const LONGEST_TURN_MS = 50;
/** The clock is read once for so many bytes. */
const BYTES_PER_LOOK = 64 * 1024;

/** Options for printing lines. */
export interface PrintOptions {
  format: 'auto' | 'pretty' | 'json';
  /** Pretty: does not cut lines to the width. */
  full?: boolean;
  /** Pretty: prints times in UTC. */
  utc?: boolean;
}

/** Writes a batch to stdout; resolves when stdout has accepted it. */
export type LinePrinter = (batch: LineBatch) => Promise<void>;

/** Creates the printer of a format; `auto` is pretty on a terminal and NDJSON elsewhere. */
export async function createLinePrinter(out: DataOutput, options: PrintOptions): Promise<LinePrinter> {
  if (options.format === 'pretty' || (options.format === 'auto' && out.isTerminal)) {
    return createPrettyPrinter(out, options);
  }
  return out.isTerminal ? (batch) => out.write(safeLines(batch)) : (batch) => writeBytes(out, batch);
}

async function createPrettyPrinter(out: DataOutput, options: PrintOptions): Promise<LinePrinter> {
  const { Renderer } = await import('../render/renderer.js');
  const rendererFor = (width: number) =>
    new Renderer({
      width,
      // Only a terminal has a width to cut to.
      full: options.full === true || !out.isTerminal,
      utc: options.utc === true,
      palette: out.palette,
    });
  let width = out.columns;
  let renderer = rendererFor(width);
  return async (batch) => {
    // The window was resized.
    if (out.columns !== width) {
      width = out.columns;
      renderer = rendererFor(width);
    }
    const pieces = renderLines(renderer, batch.bytes);
    for (let piece = pieces.next(); ; piece = pieces.next()) {
      if (piece.done) {
        batch.release?.();
        await out.write(piece.value);
        return;
      }
      await out.write(piece.value);
      await nextTurn();
    }
  };
}

/** Renders all lines; yields what is done after each turn, and returns the rest. */
function* renderLines(renderer: Renderer, bytes: Buffer): Generator<string, string> {
  let text = '';
  let start = 0;
  let look = BYTES_PER_LOOK;
  let turnStart = performance.now();
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
    text += renderer.render(bytes.subarray(start, end));
    start = end + 1;
    if (start < look) continue;
    look = start + BYTES_PER_LOOK;
    if (performance.now() - turnStart < LONGEST_TURN_MS) continue;
    yield text;
    text = '';
    turnStart = performance.now();
  }
  return text;
}

async function writeBytes(out: DataOutput, batch: LineBatch): Promise<void> {
  await out.write(batch.bytes);
  batch.release?.();
}

/** Escapes control characters for a terminal; pipes and files get the bytes that the server sent. */
function safeLines(batch: LineBatch): string {
  const lines = batch.bytes.toString().split('\n');
  return lines.map(escapeUnsafeJson).join('\n');
}
