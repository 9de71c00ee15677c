import { stat } from 'node:fs/promises';
import type { ReadProblem } from '../../index.js';
import { formatSize } from '../options/quantity.js';
import { createLiveLine } from './live-line.js';
import type { Messages } from './terminal.js';

/** Progress bar for a long read. */
export interface Progress {
  /** Adds bytes that were read. */
  advance(bytes: number): void;
  end(): void;
}

/** Smaller recordings are read too fast for a bar. */
const LEAST_BYTES = 64 * 1024 * 1024;
const BAR_WIDTH = 24;

/** Shows a bar on a terminal when the recordings are large. @param leastBytes Below this size there is none. */
export async function showProgress(
  messages: Messages,
  files: readonly string[],
  leastBytes = LEAST_BYTES,
): Promise<Progress> {
  const total = await totalSize(files);
  if (!messages.canShowLive || total === undefined || total < leastBytes) {
    return { advance: () => undefined, end: () => undefined };
  }
  const startedAt = performance.now();
  let read = 0;
  const line = createLiveLine(messages, (columns) =>
    barText(read, total, performance.now() - startedAt).slice(0, columns),
  );
  line.redraw();
  return {
    advance: (bytes) => {
      read += bytes;
    },
    end: line.end,
  };
}

/** Returns the bytes of all files; `undefined` when one has no size, such as stdin. */
async function totalSize(files: readonly string[]): Promise<number | undefined> {
  let total = 0;
  for (const file of files) {
    const stats = file === '-' ? undefined : await stat(file).catch(() => undefined);
    if (!stats?.isFile()) return undefined;
    total += stats.size;
  }
  return total;
}

function barText(read: number, total: number, milliseconds: number): string {
  const share = Math.min(1, read / total);
  const filled = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const speed = formatSize((read * 1000) / Math.max(1, milliseconds));
  return `${bar} ${Math.floor(share * 100)}%  ${formatSize(read)} of ${formatSize(total)}, ${speed}/s`;
}

/** Most problems that are printed one by one; further ones are only counted. */
const MAX_SHOWN = 10;

/** Prints the problems of a recording without flooding the terminal. */
export class ProblemMessages {
  #count = 0;

  constructor(private readonly messages: Messages) {}

  /** Prints one problem; pass it as `onProblem`. */
  readonly onProblem = ({ kind, message }: ReadProblem): void => {
    // A file or a stream may be followed for months.
    if (kind !== 'followed') this.#count++;
    if (kind === 'followed' || this.#count <= MAX_SHOWN) this.messages.warn(message);
  };

  /** Prints how many problems were not shown. */
  end(): void {
    const left = this.#count - MAX_SHOWN;
    if (left > 0) this.messages.warn(`… and ${left} more ${left === 1 ? 'problem' : 'problems'}`);
  }
}
