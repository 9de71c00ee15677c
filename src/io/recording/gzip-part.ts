import { constants, createGzip, type Gzip } from 'node:zlib';
import { type LineSink, type PartFile, WriteFailure } from './part-file.js';

/** What was compressed reaches the file at most so long after it came. */
const FLUSH_MS = 500;
/**
 * Members end after so many bytes of lines. A killed recorder leaves its last member torn, and that one is compressed
 * again when something is appended: it has to fit into memory.
 */
export const MEMBER_BYTES = 4 * 1024 * 1024;

/** Compresses lines into a file: gzip members one after another, each flushed often, so that a kill costs little. */
export class GzipPart implements LineSink {
  readonly #file: PartFile;
  /** Runs a task when nothing else is under way here. */
  readonly #exclusively: (task: () => Promise<void>) => Promise<void>;
  #member: Member | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  /** Size of the file, all of which can be unpacked to whole lines. */
  #safeSize: number;
  /** What has been taken since. */
  #pendingLines = 0;
  #pendingBytes = 0;
  #failure: WriteFailure | undefined;

  /** @param exclusively The flush timer runs its work through this, so that it never meets an append. */
  constructor(file: PartFile, exclusively: (task: () => Promise<void>) => Promise<void>) {
    this.#file = file;
    this.#safeSize = file.size;
    this.#exclusively = exclusively;
  }

  get size(): number {
    return this.#file.size;
  }

  async append(lines: Buffer, count: number): Promise<void> {
    this.#pendingLines += count;
    this.#pendingBytes += count === 0 ? 0 : lines.length;
    if (this.#failure !== undefined) throw this.#failed(this.#failure);
    this.#member ??= new Member();
    await this.#write(await this.#member.take(lines));
    if (this.#member.length >= MEMBER_BYTES) await this.#endMember();
    else this.#flushTimer ??= setTimeout(() => this.#flushLater(), FLUSH_MS);
  }

  async close(): Promise<void> {
    clearTimeout(this.#flushTimer);
    try {
      if (this.#failure !== undefined) throw this.#failed(this.#failure);
      await this.#endMember();
    } finally {
      await this.#file.close();
    }
  }

  #flushLater(): void {
    this.#flushTimer = undefined;
    // Whoever appends next hears of a failure; the file has been cut back by then.
    this.#exclusively(() => this.flush()).catch(() => undefined);
  }

  async flush(): Promise<void> {
    if (this.#member === undefined || this.#failure !== undefined) return;
    await this.#write(await this.#member.flush());
    this.#settle();
  }

  async #endMember(): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    this.#member = undefined;
    await this.#write(await member.end());
    this.#settle();
  }

  #settle(): void {
    this.#safeSize = this.#file.size;
    this.#pendingLines = 0;
    this.#pendingBytes = 0;
  }

  async #write(compressed: Buffer): Promise<void> {
    if (compressed.length === 0) return;
    try {
      await this.#file.append(compressed, 0);
    } catch (error) {
      if (!(error instanceof WriteFailure)) throw error;
      this.#failure = error;
      await this.#file.cutTo(this.#safeSize);
      throw this.#failed(error);
    }
  }

  #failed({ message, cause }: WriteFailure): WriteFailure {
    return new WriteFailure(message, this.#pendingLines, this.#pendingBytes, cause);
  }
}

/** One gzip member in the making. */
class Member {
  readonly #gzip: Gzip = createGzip({ level: 6, chunkSize: 64 * 1024 });
  #blocks: Buffer[] = [];
  /** Bytes of lines in it. */
  length = 0;

  constructor() {
    this.#gzip.on('data', (block: Buffer) => this.#blocks.push(block));
  }

  async take(lines: Buffer): Promise<Buffer> {
    this.length += lines.length;
    await new Promise<void>((resolve, reject) => {
      this.#gzip.write(lines, (error) => (error ? reject(error) : resolve()));
    });
    return this.#taken();
  }

  async flush(): Promise<Buffer> {
    await new Promise<void>((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, resolve));
    return this.#taken();
  }

  async end(): Promise<Buffer> {
    await new Promise<void>((resolve) => {
      this.#gzip.once('end', resolve);
      this.#gzip.end();
    });
    return this.#taken();
  }

  #taken(): Buffer {
    const blocks = this.#blocks;
    this.#blocks = [];
    return Buffer.concat(blocks);
  }
}
