import { type FileHandle, lstat } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { OpmasError } from '../../core/errors.js';
import { parseLine } from '../../core/recording/parse-line.js';
import { GzipDamage, gunzip } from './gzip.js';
import { RecordingReader } from './reader.js';
import {
  createFile,
  identityAt,
  identityOf,
  localError,
  type OpenedFile,
  openExisting,
  removeFile,
  targetKind,
} from './recording-files.js';
import { SegmentNames, type SegmentOptions } from './segment-names.js';
import { isGzip } from './source.js';

const LINE_FEED = Buffer.from('\n');
const BLOCK_BYTES = 64 * 1024;
/** Start of a gzip member of ours: no name, no time. */
const MEMBER_START = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
/** A torn member is unpacked in memory; ours end after 4 MiB of lines, and a line has 64 MiB at most. */
const MAX_REPAIR_BYTES = 128 * 1024 * 1024;

/**
 * Opens the recording at a path to add to it, and repairs its end; creates it where there is none.
 *
 * @throws {OpmasError} `USAGE` for anything but a file of one name. `LOCAL`: it cannot be opened or created. `DATA`: it
 *   is not a recording that can be added to.
 */
export async function openToAppend(path: string, { mode, onNotice }: SegmentOptions): Promise<OpenedFile> {
  const kind = await targetKind(path);
  if (kind === 'nothing' || (kind === 'file' && (await finishRotation(path)))) {
    return createFile(path, mode);
  }
  if (kind !== 'file') throw new OpmasError('USAGE', `${path} is a ${kind}`);
  const file = await openExisting(path, kind);
  const { handle } = file;
  try {
    const repair = await prepareAppend(path, handle, path.endsWith('.gz'));
    if (repair !== undefined) onNotice?.(repair);
    return { ...file, size: (await handle.stat()).size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Completes the renaming of a segment whose recorder was killed meanwhile, so that the file has both names. */
async function finishRotation(path: string): Promise<boolean> {
  const stats = await lstat(path);
  if (stats.nlink < 2) return false;
  const segments = await new SegmentNames(path, { continues: true }).finished().catch(() => []);
  const identities = await Promise.all(segments.map(identityAt));
  if (!identities.includes(identityOf(stats))) return false;
  await removeFile(path);
  return true;
}

/**
 * Prepares a recording for appending: checks that it is one of ours, and cuts a torn tail off.
 *
 * @returns A sentence about the repair; `undefined` when nothing was torn.
 * @throws {OpmasError} `DATA` when it is not a recording, has a newer format, or is damaged beyond repair.
 */
async function prepareAppend(
  path: string,
  handle: FileHandle,
  compressed: boolean,
): Promise<string | undefined> {
  const { size } = await handle.stat();
  if (size === 0) return undefined;
  if ((await isGzip(handle)) !== compressed) throw misnamed(path, compressed);
  await refuseForeign(path).catch((error: unknown) => {
    if (!(error instanceof OpmasError)) throw error;
    throw new OpmasError(error.code, error.message, { cause: error, hint: 'Choose another file (`path`).' });
  });
  try {
    return compressed ? await repairGzip(path, handle, size) : await repairText(path, handle, size);
  } catch (error) {
    throw error instanceof OpmasError ? error : localError(`${path} cannot be repaired`, error);
  }
}

function misnamed(path: string, compressed: boolean): OpmasError {
  const what = compressed
    ? 'is not gzip data, though its name ends in .gz'
    : 'is gzip data, but its name does not end in .gz';
  return new OpmasError('DATA', `${path} ${what}`, { hint: 'Rename it, or choose another file (`path`).' });
}

/** Refuses a file whose first lines have no time of receipt: lines of ours do not belong among them. */
async function refuseForeign(path: string): Promise<void> {
  await using reader = await RecordingReader.open([path]);
  let line = reader.next();
  while (line === undefined && (await reader.fill())) line = reader.next();
  for (; line !== undefined; line = reader.next()) {
    if (!Number.isNaN(line.receivedAt)) continue;
    throw new OpmasError('DATA', `${path} has lines of other origin (without received_at)`);
  }
}

async function repairText(path: string, handle: FileHandle, size: number): Promise<string | undefined> {
  const end = (await lastIndexOf(handle, LINE_FEED, size)) + 1;
  if (end === size) return undefined;
  if (size - end <= MAX_REPAIR_BYTES) {
    const tail = await readRange(handle, end, size);
    if (parseLine(tail) !== undefined) {
      // The last line lacks nothing but its line feed.
      await handle.appendFile('\n');
      return undefined;
    }
  }
  await handle.truncate(end);
  return `${path}: the last line was torn; its ${size - end} bytes were cut off`;
}

async function repairGzip(path: string, handle: FileHandle, size: number): Promise<string | undefined> {
  // Members of other programs may begin differently.
  const start = await lastIndexOf(handle, MEMBER_START, size);
  const isOurs = start >= 0;
  const blocks: Buffer[] = [];
  let length = 0;
  let isWhole = true;
  const read = () => readBlocks(handle, Math.max(0, start), size);
  try {
    for await (const block of gunzip(read(), read)) {
      // Of the whole data of another program only the end is needed.
      if (!isOurs) blocks.pop();
      blocks.push(block);
      length += block.length;
      if (isOurs && length > MAX_REPAIR_BYTES) throw beyondRepair(path);
    }
  } catch (error) {
    if (!(error instanceof GzipDamage)) throw error;
    if (!isOurs) throw beyondRepair(path);
    isWhole = false;
  }
  const text = Buffer.concat(blocks);
  if (isWhole) {
    if (text.at(-1) !== LINE_FEED[0]) await handle.appendFile(gzipSync(LINE_FEED));
    return undefined;
  }
  const lines = text.subarray(0, text.lastIndexOf(LINE_FEED) + 1);
  await handle.truncate(start);
  if (lines.length > 0) await handle.appendFile(gzipSync(lines));
  return `${path}: the gzip data was torn; all its whole lines were kept`;
}

/** Makes a file that was cut readable to its end: keeps its whole lines, those that can be unpacked. */
export async function cutTornTail(path: string, handle: FileHandle, compressed: boolean): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0) return;
  try {
    if (compressed) await repairGzip(path, handle, size);
    else await handle.truncate((await lastIndexOf(handle, LINE_FEED, size)) + 1);
  } catch (error) {
    if (!(error instanceof OpmasError)) throw error;
    await handle.truncate(0);
  }
}

function beyondRepair(path: string): OpmasError {
  return new OpmasError('DATA', `${path}: the gzip data is damaged, so nothing can be appended to it`, {
    hint: 'Choose another file (`path`); this one is read up to the damage.',
  });
}

/** Finds the last place of some bytes in a file of this size; -1 when they are not there. */
async function lastIndexOf(handle: FileHandle, bytes: Buffer, size: number): Promise<number> {
  for (let end = size; end > 0; end -= BLOCK_BYTES) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = await readRange(handle, start, Math.min(size, end + bytes.length));
    const found = block.lastIndexOf(bytes);
    if (found >= 0) return start + found;
  }
  return -1;
}

async function* readBlocks(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; at += BLOCK_BYTES) {
    yield await readRange(handle, at, Math.min(end, at + BLOCK_BYTES));
  }
}

async function readRange(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const length = end - start;
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, start);
  const bytes = buffer.subarray(0, bytesRead);
  if (bytesRead === length || bytesRead === 0) return bytes;
  // A network file system may give less than was asked for.
  return Buffer.concat([bytes, await readRange(handle, start + bytesRead, end)]);
}
