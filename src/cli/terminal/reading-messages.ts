import { formatSize } from '../options/quantity.js';
import { createLiveSpinner, spinnerTextWidth } from './live-line.js';
import type { Messages } from './terminal.js';

/** The bar that shows how far a long reading is. */
export interface Progress {
  /** So many bytes more were read. */
  advance(bytes: number): void;
  end(): void;
}

/** What is read faster than anybody can look needs no bar. */
const LEAST_BYTES = 64 * 1024 * 1024;
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

/** Shows a bar on a terminal when there is much to read. */
export async function showProgress(messages: Messages, total: number | undefined): Promise<Progress> {
  if (!messages.canShowLive || total === undefined || total < LEAST_BYTES) {
    return { advance: () => undefined, end: () => undefined };
  }
  const spinner = await createLiveSpinner(messages);
  const startedAt = performance.now();
  let read = 0;
  const draw = () => {
    spinner.text = barText(read, total, performance.now() - startedAt).slice(0, spinnerTextWidth(messages));
  };
  draw();
  spinner.start();
  const timer = setInterval(draw, REDRAW_MS);
  return {
    advance: (bytes) => {
      read += bytes;
    },
    end: () => {
      clearInterval(timer);
      spinner.stop();
    },
  };
}

function barText(read: number, total: number, milliseconds: number): string {
  const share = Math.min(1, read / total);
  const filled = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const speed = formatSize((read * 1000) / Math.max(1, milliseconds));
  return `${bar} ${Math.floor(share * 100)}%  ${formatSize(read)} of ${formatSize(total)}, ${speed}/s`;
}
