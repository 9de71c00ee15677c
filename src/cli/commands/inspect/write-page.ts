import { access, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type InspectedRecording, OpmasError } from '../../../index.js';
import { htmlPage, PAGE_START } from './html-page.js';

/**
 * Checks that a page can be written, before a long recording is read.
 *
 * @throws {OpmasError} `USAGE` when the file exists and is not one of our pages.
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
  throw new OpmasError('USAGE', `${path} exists and is not a report of opmas-ws`, {
    hint: 'Name another file.',
  });
}

/** Writes the page; an earlier page stays until the new one is complete. */
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
  // The text after the comma names the temporary file.
  const why = (error as Error).message.replace(/, [a-z]+ '.*$/s, '');
  return new OpmasError('LOCAL', `cannot write ${path}: ${why}`, { cause: error });
}
