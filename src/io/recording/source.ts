import { constants, openSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { quoted } from '../../core/text.js';
import type { StreamReadOptions } from '../jetstream/target.js';
import { gunzip, hasGzipMark } from './gzip.js';
import { identityOf, reasonOf } from './recording-files.js';

/** An opened source of lines: a file by its path, or standard input for `-`. */
export interface OpenSource {
  /** For messages: the path, or `stdin`. */
  readonly name: string;
  /** Tells a file from all others, whatever its name; absent for pipes and standard input. */
  readonly identity?: string | undefined;
  /** Offset of the first of the bytes. Default 0. */
  readonly start?: number | undefined;
  /** Number of lines before them. Default: 0 at the start, else it is not known. */
  readonly line?: number | undefined;
  /** The bytes, unpacked if they are gzip data. A block is valid until the next one is requested. */
  readonly blocks: AsyncGenerator<Buffer>;
  /** Returns what goes on where this source has ended: a recording that is followed has several parts. */
  next?(): Promise<OpenSource | undefined>;
  close(): Promise<void>;
}

export interface SourceOptions extends StreamReadOptions {
  /** Stream for `-`. Default: standard input. */
  stdin?: Readable | undefined;
  /** Bytes to read at a time. */
  blockSize: number;
  /** Offset in a file that is not compressed at which to begin: the start of a line. Default 0. */
  start?: number | undefined;
  /** Give compressed bytes as they are. */
  isRaw?: boolean | undefined;
}

/** @throws {OpmasError} `USAGE` when there is no such file or it is a folder, `LOCAL` when it cannot be opened. */
export async function openSource(path: string, options: SourceOptions): Promise<OpenSource> {
  if (isStreamAddress(path)) {
    const { StreamSource } = await import('../jetstream/stream-source.js');
    return StreamSource.open(path, options);
  }
  if (path === '-') return fromStream('-', options.stdin ?? process.stdin, options);
  let handle: FileHandle;
  try {
    const pipe = await openPipe(path);
    if (pipe !== undefined) return fromStream(path, pipe, options);
    handle = await open(path, constants.O_RDONLY);
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw new OpmasError('USAGE', `${path} is a folder, not a recording`);
    }
  } catch (error) {
    throw error instanceof OpmasError ? error : openingFailed(path, error as NodeJS.ErrnoException);
  }
  const stats = await handle.stat();
  const isFile = stats.isFile();
  const read = () => readBlocks(path, handle, isFile, options);
  const blocks = options.isRaw ? read() : unpacked(path, read, isFile);
  const identity = isFile ? identityOf(stats) : undefined;
  return { name: path, identity, blocks, close: () => handle.close() };
}

/** Returns `true` for a file that begins as gzip data does. */
export async function isGzip(handle: FileHandle): Promise<boolean> {
  const start = Buffer.alloc(2);
  // A file that cannot be read is reported when it is read.
  await handle.read(start, 0, start.length, 0).catch(() => undefined);
  return hasGzipMark(start);
}

/** Makes the error of a file that cannot be opened. */
export function openingFailed(path: string, error: NodeJS.ErrnoException): OpmasError {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    const message = path === '' ? 'the name of a file is empty' : `${path}: there is no such file`;
    return new OpmasError('USAGE', message, {
      cause: error,
      hint: 'Recordings are made with `opmas-ws record -o FILE`; - is stdin.',
    });
  }
  return new OpmasError('LOCAL', `${path} cannot be opened: ${reasonOf(error)}`, { cause: error });
}

/** Makes the error of a file that cannot be read. */
export function readingFailed(path: string, error: unknown): OpmasError {
  return new OpmasError('LOCAL', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
}

/** First characters of data that is not read, what it is, and the command that turns the data of a file into lines. */
const FOREIGN_DATA: readonly (readonly [mark: string, what: string, command: string])[] = [
  ['\x28\xb5\x2f\xfd', 'compressed with zstd', 'zstd -dc'],
  ['\xfd7zXZ', 'compressed with xz', 'xz -dc'],
  ['BZh', 'compressed with bzip2', 'bzip2 -dc'],
  ['\x04\x22\x4d\x18', 'compressed with lz4', 'lz4 -dc'],
  ['LZIP', 'compressed with lzip', 'lzip -dc'],
  ['\x1f\x9d', 'compressed with compress', 'gzip -dc'],
  ['\x1f\x8b', 'compressed with gzip twice', 'gzip -dc'],
  ['PK\x03\x04', 'a zip archive', 'unzip -p'],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive', '7z x -so'],
  ['\xff\xfe\0\0', 'UTF-32 text', 'iconv -f UTF-32 -t UTF-8'],
  ['\0\0\xfe\xff', 'UTF-32 text', 'iconv -f UTF-32 -t UTF-8'],
  ['{\0\0\0', 'UTF-32 text', 'iconv -f UTF-32LE -t UTF-8'],
  ['\0\0\0{', 'UTF-32 text', 'iconv -f UTF-32BE -t UTF-8'],
  ['\xff\xfe', 'UTF-16 text, as > of PowerShell 5 writes it', 'iconv -f UTF-16 -t UTF-8'],
  ['\xfe\xff', 'UTF-16 text', 'iconv -f UTF-16 -t UTF-8'],
  ['{\0', 'UTF-16 text', 'iconv -f UTF-16LE -t UTF-8'],
  ['\0{\0', 'UTF-16 text', 'iconv -f UTF-16BE -t UTF-8'],
];

/**
 * @param unpack Command that gave these bytes, if not the file itself has them. @throws {OpmasError} `DATA` for data of a
 *   kind that is not read; the hint says how to read it all the same.
 */
function refuseForeign(start: Buffer, path: string, unpack = ''): void {
  const text = start.toString('latin1', 0, 8);
  const [, what, converter] = FOREIGN_DATA.find(([mark]) => text.startsWith(mark)) ?? [];
  if (converter === undefined) return;
  const file = path === '-' ? '' : ` ${quoted(path)}`;
  const command = unpack === '' ? `${converter}${file}` : `${unpack}${file} | ${converter}`;
  throw new OpmasError('DATA', `${path === '-' ? 'stdin' : path} is ${what}, which is not read`, {
    // The command line puts the command that runs in place of `inspect`.
    hint: `Unpack it: ${command} | opmas-ws inspect -`,
  });
}

/** Gives the blocks as they are, or unpacks them when they begin as gzip data does. */
async function* unpacked(
  path: string,
  read: () => AsyncGenerator<Buffer>,
  canReopen: boolean,
): AsyncGenerator<Buffer> {
  let blocks = read();
  let first = await blocks.next();
  const isPacked = !first.done && hasGzipMark(first.value);
  if (isPacked) {
    blocks = gunzip(prepend(first.value, blocks), canReopen ? read : undefined);
    first = await blocks.next();
  }
  if (first.done) return;
  refuseForeign(first.value, path, isPacked ? 'gzip -dc' : '');
  yield* prepend(first.value, blocks);
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** Reads from the start, into two buffers in turn: while one block is used the next one is read. */
async function* readBlocks(
  path: string,
  handle: FileHandle,
  isFile: boolean,
  { onRead, blockSize, start = 0 }: SourceOptions,
): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafeSlow(blockSize), Buffer.allocUnsafeSlow(blockSize)] as const;
  let position = start;
  const readInto = async (buffer: Buffer) => {
    try {
      // A pipe has no positions.
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, isFile ? position : null);
      position += bytesRead;
      onRead?.(bytesRead);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw readingFailed(path, error);
    }
  };
  let turn = 0;
  let next = readInto(buffers[0]);
  try {
    for (;;) {
      const block = await next;
      if (block.length === 0) return;
      turn = 1 - turn;
      next = readInto(buffers[turn] as Buffer);
      // It is awaited later; until then a failure must not count as an unhandled rejection.
      next.catch(() => undefined);
      yield block;
    }
  } finally {
    // A consumer that stops early does not need the block that is under way, and does not wait for it.
    next.catch(() => undefined);
  }
}

/**
 * Opens a named pipe; `undefined` for anything else. Its writer may never come, and a thread that waits for it would
 * keep process 1 of a container from ending. Only Linux tells without a thread when the writer has come.
 */
async function openPipe(path: string): Promise<Readable | undefined> {
  if (process.platform !== 'linux' || !(await stat(path)).isFIFO()) return undefined;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

function fromStream(path: string, stream: Readable, { signal, onRead, isRaw }: SourceOptions): OpenSource {
  const name = path === '-' ? 'stdin' : path;
  async function* read(): AsyncGenerator<Buffer> {
    const stopWaiting = () => stream.destroy();
    signal?.addEventListener('abort', stopWaiting, { once: true });
    try {
      for await (const chunk of stream) {
        onRead?.((chunk as Buffer).length);
        yield chunk as Buffer;
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw readingFailed(name, error);
    } finally {
      signal?.removeEventListener('abort', stopWaiting);
    }
  }
  const blocks = isRaw ? read() : unpacked(path, read, false);
  return { name, blocks, close: async () => void stream.destroy() };
}
