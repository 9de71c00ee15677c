import type { LineBatch } from '../../index.js';
import { escapeUnsafeJson } from '../../internal.js';
import type { Renderer } from '../render/renderer.js';
import type { DataOutput } from '../terminal/terminal.js';

const LF = 0x0a;

/** How lines are printed. */
export interface PrintOptions {
  format: 'auto' | 'pretty' | 'json';
  /** Pretty lines are not cut to the width. */
  full?: boolean;
  /** Pretty lines have times in UTC. */
  utc?: boolean;
}

/** Writes batches to stdout, each when the one before has been taken. */
export type LinePrinter = (batch: LineBatch) => Promise<void>;

/** `auto` is pretty on a terminal and NDJSON elsewhere. */
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
    // People resize their windows.
    if (out.columns !== width) {
      width = out.columns;
      renderer = rendererFor(width);
    }
    const text = renderLines(renderer, batch.bytes);
    batch.release?.();
    await out.write(text);
  };
}

function renderLines(renderer: Renderer, bytes: Buffer): string {
  let text = '';
  let start = 0;
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
    text += renderer.render(bytes.subarray(start, end));
    start = end + 1;
  }
  return text;
}

async function writeBytes(out: DataOutput, batch: LineBatch): Promise<void> {
  await out.write(batch.bytes);
  batch.release?.();
}

/** A terminal gets JSON escapes for what could move its cursor; a pipe gets the bytes that the server sent. */
function safeLines(batch: LineBatch): string {
  const lines = batch.bytes.toString().split('\n');
  return lines.map(escapeUnsafeJson).join('\n');
}
