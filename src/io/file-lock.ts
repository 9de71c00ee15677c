import { randomUUID } from 'node:crypto';
import { constants, fstatSync, lstatSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, readlink, stat, unlink } from 'node:fs/promises';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { parseObject } from '../core/json/json-tokens.js';
import { wallClockMs } from './clock.js';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.js';

/** The process that holds a lock. */
export interface LockHolder extends ProcessIdentity {
  /** Milliseconds until its lease runs out; absent when the process can be seen from here, and lives. */
  leaseMs?: number;
  /** Time of its last heartbeat. */
  renewedMs?: number;
}

/** A holder that cannot be seen from here (in another container, on another host) loses its lock after this time. */
const LEASE_MS = 30_000;
/** Interval in which a holder renews its lease. */
const HEARTBEAT_MS = 2000;
/** An empty lock is being written, or its writer was killed just then. */
const EMPTY_LIMIT_MS = 500;
/** The removal of a void lock takes a moment. */
const GUARD_LIMIT_MS = 2000;
const POLL_MS = 20;
const MOST_TRIES = 150;
/** Far above the size of a lock. */
const MOST_BYTES = 4096;

/**
 * A lock on a file: `FILE.lock` beside it. A lock whose holder was killed is void: at once where the process can be
 * seen to be gone, else when its lease has run out.
 */
export interface FileLock {
  /** True when another process holds the lock: this one was stopped for longer than its lease. */
  readonly isLost: boolean;
  /** Renews the lease now; writes the lock again where its file has gone, as with its folder. */
  renew(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Takes the lock on a file, if it is free.
 *
 * @returns The lock, or its holder.
 * @throws The error of the file system when the lock can't be written or read.
 */
export async function tryLock(path: string): Promise<{ lock: FileLock } | { holder: LockHolder }> {
  const lockPath = `${path}.lock`;
  const text = JSON.stringify({ ...ownIdentity(), id: randomUUID() });
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const handle = await create(lockPath, text);
    if (handle !== undefined) return { lock: new HeldLock(lockPath, handle, text) };
    const found = await readLock(lockPath);
    if (found === undefined) {
      // It was removed meanwhile, or it is a link to nothing.
      await delay(tries < 3 ? 0 : POLL_MS);
      continue;
    }
    const holder = await livingHolder(found, lockPath);
    if (holder !== undefined) return { holder };
    await removeVoidLock(lockPath, found);
  }
  throw new Error(`${lockPath} can be neither taken nor removed`);
}

/** The locks of this process. A program that exits without releasing them leaves none behind. */
const held = new Set<HeldLock>();

function releaseAllNow(): void {
  for (const lock of held) lock.releaseNow();
}

class HeldLock implements FileLock {
  readonly #timer: NodeJS.Timeout;
  #beating: Promise<void> = Promise.resolve();
  isLost = false;

  constructor(
    private readonly path: string,
    private handle: FileHandle,
    private readonly text: string,
  ) {
    this.#timer = setInterval(() => void this.renew(), HEARTBEAT_MS).unref();
    if (held.size === 0) process.once('exit', releaseAllNow);
    held.add(this);
  }

  /** Releases it while the process exits. */
  releaseNow(): void {
    try {
      const [own, found] = [fstatSync(this.handle.fd), lstatSync(this.path)];
      if (own.ino === found.ino && own.dev === found.dev) unlinkSync(this.path);
    } catch {
      // Another process has removed it.
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    held.delete(this);
    if (held.size === 0) process.off('exit', releaseAllNow);
    await this.#beating;
    if (await this.#isOurs()) await unlink(this.path).catch(() => undefined);
    await this.handle.close().catch(() => undefined);
  }

  renew(): Promise<void> {
    this.#beating = this.#beating.then(() => this.#beat());
    return this.#beating;
  }

  /** Writes the lock again: the file system's own clock then says when. */
  async #beat(): Promise<void> {
    if (await this.#isOurs()) {
      await this.handle.write(this.text, 0).catch(() => undefined);
      return;
    }
    // A person may have removed the lock, or renamed its folder; then no other process writes to the file yet.
    const handle = await create(this.path, this.text).catch(() => undefined);
    if (handle === undefined) {
      this.isLost = (await readLock(this.path).catch(() => undefined)) !== undefined;
      return;
    }
    const moved = await readlink(`/proc/self/fd/${this.handle.fd}`).catch(() => '');
    if ((await readSmall(moved).catch(() => undefined)) === this.text)
      await unlink(moved).catch(() => undefined);
    await this.handle.close().catch(() => undefined);
    this.handle = handle;
  }

  async #isOurs(): Promise<boolean> {
    return (await readSmall(this.path).catch(() => undefined)) === this.text;
  }
}

/** Creates the file. @returns `undefined` when it exists. */
async function create(path: string, text: string): Promise<FileHandle | undefined> {
  const handle = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  try {
    await handle?.writeFile(text);
    return handle;
  } catch (error) {
    await handle?.close();
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

/** Reads the text of the lock; `undefined` when it was removed meanwhile. */
async function readLock(lockPath: string): Promise<string | undefined> {
  for (let waited = 0; ; waited += POLL_MS) {
    const text = await readSmall(lockPath).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== '' || waited >= EMPTY_LIMIT_MS) return text;
    await delay(POLL_MS);
  }
}

/**
 * Reads a file of ours. Others may have put something else in its place: a pipe that has no end, a link to a device.
 *
 * @throws The error of the file system; an error when it is no small regular file.
 */
async function readSmall(path: string): Promise<string> {
  const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
  const handle = await open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > MOST_BYTES) throw new Error(`${path} is no lock: remove it`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Returns the holder of a lock; `undefined` when the lock is void. */
async function livingHolder(text: string, lockPath: string): Promise<LockHolder | undefined> {
  const holder = parseHolder(text);
  if (holder === undefined) return undefined;
  const alive = isAlive(holder);
  if (alive !== undefined) return alive ? holder : undefined;
  const stats = await stat(lockPath).catch(() => undefined);
  if (stats === undefined) return undefined;
  const leaseMs = LEASE_MS - Math.abs((await fileSystemNow(lockPath)) - stats.mtimeMs);
  return leaseMs > 0 ? { ...holder, leaseMs, renewedMs: stats.mtimeMs } : undefined;
}

/** Returns the time by the clock of the file system, which may be another machine's. */
async function fileSystemNow(beside: string): Promise<number> {
  const probe = `${beside}.${randomUUID()}`;
  const handle = await create(probe, '');
  try {
    return (await handle?.stat())?.mtimeMs ?? wallClockMs();
  } finally {
    await handle?.close();
    await unlink(probe).catch(() => undefined);
  }
}

/**
 * Removes a void lock, unless another process has done so. One process at a time: otherwise a slow one, which has
 * judged the old lock, could remove the new lock of a faster one.
 */
async function removeVoidLock(lockPath: string, judged: string): Promise<void> {
  const guard = `${lockPath}.guard`;
  const handle = await create(guard, '');
  if (handle === undefined) {
    await removeIfOld(guard);
    await delay(POLL_MS);
    return;
  }
  try {
    // Its holder may have come back to life meanwhile.
    const isSame = (await readSmall(lockPath)) === judged;
    if (isSame && (await livingHolder(judged, lockPath)) === undefined) await unlink(lockPath);
  } catch {
    // It was removed; its next holder will be seen at the next try.
  } finally {
    await handle.close();
    await unlink(guard).catch(() => undefined);
  }
}

/** Removes the guard of a process that was killed while it removed a lock. */
async function removeIfOld(guard: string): Promise<void> {
  const stats = await stat(guard).catch(() => undefined);
  if (stats !== undefined && (await fileSystemNow(guard)) - stats.mtimeMs > GUARD_LIMIT_MS) {
    await unlink(guard).catch(() => undefined);
  }
}

function parseHolder(text: string): LockHolder | undefined {
  const { pid, host, space, started } = (parseObject(text) ?? {}) as Partial<LockHolder>;
  if (!Number.isSafeInteger(pid) || pid! <= 0 || typeof host !== 'string') return undefined;
  return { pid: pid!, host, ...(space && { space }), ...(started && { started }) };
}
