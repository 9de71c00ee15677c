import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { ScanMemory } from '../../core/json/scan-memory.js';
import { gunzip } from './gunzip.js';

/** Where lines come from: a file by its path, or `-` for standard input. */
export interface OpenSource {
  /** For messages: the path, or `stdin`. */
  readonly name: string;
  /** The bytes, unpacked if they are gzip data. A block holds until the next one is asked for. */
  readonly blocks: AsyncGenerator<Buffer>;
  /** Where most of the blocks stand, if they are to be scanned where they stand. */
  readonly memory?: ScanMemory | undefined;
  close(): Promise<void>;
}

/** How a source is to be read. */
export interface SourceOptions {
  /** What `-` means. Default: standard input. */
  stdin?: Readable | undefined;
  /** Bytes to read at a time. */
  blockSize: number;
  /** Whether the JSON in the blocks will be scanned. */
  scanned: boolean;
  /** Ends the wait for input that does not come. */
  signal?: AbortSignal | undefined;
  /** Told how many bytes, as they are stored, were read. */
  onRead?: ((bytes: number) => void) | undefined;
}

/** @throws {OpmasError} `USAGE` when there is no such file or it is a folder, `LOCAL` when it can't be opened. */
export async function openSource(path: string, options: SourceOptions): Promise<OpenSource> {
  if (path === '-') return openStdin(options);
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY);
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw new OpmasError('USAGE', `${path} is a folder, not a recording`);
    }
  } catch (error) {
    throw error instanceof OpmasError ? error : openingFailed(path, error as NodeJS.ErrnoException);
  }
  const isFile = (await handle.stat()).isFile();
  // Unpacked data stands elsewhere, and what is in a pipe nobody knows.
  const canBeScanned = options.scanned && isFile && !(await isGzip(handle));
  const memory = canBeScanned ? ScanMemory.create(2 * options.blockSize) : undefined;
  // A file that is read a second time may still be under way to the memory of the first; gzip data has none.
  const read = () => readBlocks(path, handle, isFile, buffersIn(memory, options.blockSize), options);
  return { name: path, blocks: unpacked(read, isFile), memory, close: () => handle.close() };
}

/** Whether a file begins as gzip data does (RFC 1952, section 2.3.1). */
export async function isGzip(handle: FileHandle): Promise<boolean> {
  const start = Buffer.alloc(2);
  // What can't be read is told when it is read.
  await handle.read(start, 0, start.length, 0).catch(() => undefined);
  return hasGzipMark(start);
}

function hasGzipMark(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function openingFailed(path: string, error: NodeJS.ErrnoException): OpmasError {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    return new OpmasError('USAGE', `${path}: there is no such file`, { cause: error });
  }
  return new OpmasError('LOCAL', `${path} cannot be opened: ${error.message}`, { cause: error });
}

/** Gives the blocks as they are, or unpacks them when they begin with the mark of gzip. */
async function* unpacked(read: () => AsyncGenerator<Buffer>, canReopen: boolean): AsyncGenerator<Buffer> {
  const blocks = read();
  const first = await blocks.next();
  if (first.done) return;
  const rest = prepend(first.value, blocks);
  if (!hasGzipMark(first.value)) {
    yield* rest;
    return;
  }
  let opened = false;
  const open = () => {
    if (opened) return read();
    opened = true;
    return rest;
  };
  yield* gunzip(open, { canReopen });
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

type BufferPair = readonly [Buffer, Buffer];

function buffersIn(memory: ScanMemory | undefined, blockSize: number): BufferPair {
  const room = memory?.room ?? Buffer.allocUnsafeSlow(2 * blockSize);
  return [room.subarray(0, blockSize), room.subarray(blockSize, 2 * blockSize)];
}

/** Reads from the start. While one block is looked at the next one is read, into two buffers in turn. */
async function* readBlocks(
  path: string,
  handle: FileHandle,
  isFile: boolean,
  buffers: BufferPair,
  { onRead }: SourceOptions,
): AsyncGenerator<Buffer> {
  let position = 0;
  const readInto = async (buffer: Buffer) => {
    try {
      // A pipe has no positions.
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, isFile ? position : null);
      position += bytesRead;
      onRead?.(bytesRead);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw new OpmasError('LOCAL', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
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
      // It is asked for later; until then a failure must not count as one that nobody hears of.
      next.catch(() => undefined);
      yield block;
    }
  } finally {
    // Whoever stops early does not hear of the block that was under way.
    await next.catch(() => undefined);
  }
}

function openStdin({ stdin = process.stdin, signal, onRead }: SourceOptions): OpenSource {
  async function* read(): AsyncGenerator<Buffer> {
    const stopWaiting = () => stdin.destroy();
    signal?.addEventListener('abort', stopWaiting, { once: true });
    try {
      for await (const chunk of stdin) {
        onRead?.((chunk as Buffer).length);
        yield chunk as Buffer;
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw new OpmasError('LOCAL', `stdin cannot be read: ${(error as Error).message}`, { cause: error });
    } finally {
      signal?.removeEventListener('abort', stopWaiting);
    }
  }
  return {
    name: 'stdin',
    blocks: unpacked(read, false),
    close: async () => void stdin.destroy(),
  };
}
