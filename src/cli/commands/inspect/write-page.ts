import { access, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type InspectedRecording, OpmasError } from '../../../index.js';
import { htmlPage, PAGE_START } from './html-page.js';

/**
 * Looks whether a page can be put there, before anything long is read.
 *
 * @throws {OpmasError} `USAGE` when something else than a page of ours stands there.
 */
export async function checkPagePath(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      const start = Buffer.alloc(PAGE_START.length);
      await handle.read(start, 0, start.length, 0);
      if (start.toString() === PAGE_START) return;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw failed(path, error);
    await access(dirname(path)).catch((reason) => {
      throw failed(path, reason);
    });
    return;
  }
  throw new OpmasError('USAGE', `${path} exists and is no report of ours`, { hint: 'Name another file.' });
}

/** Writes the page; an earlier one is there until the new one is whole. */
export async function writePage(
  path: string,
  files: readonly string[],
  report: InspectedRecording,
): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(beside, 'wx', 0o600);
    await handle.writeFile(htmlPage(files, report)).finally(() => handle.close());
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw failed(path, error);
  }
}

function failed(path: string, error: unknown): OpmasError {
  // What follows the comma names the file that stands in for it until it is whole.
  const why = (error as Error).message.replace(/, [a-z]+ '.*$/s, '');
  return new OpmasError('LOCAL', `${path} cannot be written: ${why}`, { cause: error });
}
