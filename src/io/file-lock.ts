import { readFileSync } from 'node:fs';
import { open, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** The process that holds a lock. */
export interface LockHolder {
  pid: number;
  host: string;
  /** Tells a process from a later one with the same number; absent where the system does not tell. */
  started?: string;
}

/** The lock of another host is void when its holder has not refreshed it for this long. */
const FOREIGN_LIMIT_MS = 30_000;
/** An empty lock is being written, or its writer was killed just then. */
const EMPTY_LIMIT_MS = 500;
/** The removal of a void lock takes a moment. */
const GUARD_LIMIT_MS = 2000;
const POLL_MS = 20;
const MOST_TRIES = 150;

/** A lock on a file: `FILE.lock` beside it. A lock whose holder was killed is void by itself. */
export interface FileLock {
  /** Shows to other hosts, which can't see its process, that the holder lives. Call it at least every 15 s. */
  refresh(): Promise<void>;
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
  const text = JSON.stringify(holderOf(process.pid));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (await create(lockPath, text)) return { lock: heldLock(lockPath, text) };
    const found = await readLock(lockPath);
    if (found === undefined) {
      // It was removed meanwhile, or it is a link to nothing.
      await delay(tries < 3 ? 0 : POLL_MS);
      continue;
    }
    const holder = parseHolder(found);
    if (holder !== undefined && (await isAlive(holder, lockPath))) return { holder };
    await removeVoidLock(lockPath, found);
  }
  throw new Error(`${lockPath} can be neither taken nor removed`);
}

function heldLock(lockPath: string, text: string): FileLock {
  return {
    refresh: async () => {
      const now = new Date();
      await utimes(lockPath, now, now).catch(() => undefined);
    },
    release: async () => {
      // A person may have removed the lock, and another process may hold it now.
      if ((await readFile(lockPath, 'utf8').catch(() => undefined)) === text) {
        await unlink(lockPath).catch(() => undefined);
      }
    },
  };
}

/** Creates the file. @returns `false` when it exists. */
async function create(path: string, text: string): Promise<boolean> {
  const handle = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (handle === undefined) return false;
  try {
    await handle.writeFile(text).finally(() => handle.close());
    return true;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

/** Reads the text of the lock; `undefined` when it was removed meanwhile. */
async function readLock(lockPath: string): Promise<string | undefined> {
  for (let waited = 0; ; waited += POLL_MS) {
    const text = await readFile(lockPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== '' || waited >= EMPTY_LIMIT_MS) return text;
    await delay(POLL_MS);
  }
}

/**
 * Removes a void lock, unless another process has done so. One process at a time: otherwise a slow one, which has
 * judged the old lock, could remove the new lock of a faster one.
 */
async function removeVoidLock(lockPath: string, judged: string): Promise<void> {
  const guard = `${lockPath}.guard`;
  if (!(await create(guard, ''))) {
    await removeIfOld(guard);
    await delay(POLL_MS);
    return;
  }
  try {
    if ((await readFile(lockPath, 'utf8')) === judged) await unlink(lockPath);
  } catch {
    // It was removed; its next holder will be seen at the next try.
  } finally {
    await unlink(guard).catch(() => undefined);
  }
}

/** Removes the guard of a process that was killed while it removed a lock. */
async function removeIfOld(guard: string): Promise<void> {
  const stats = await stat(guard).catch(() => undefined);
  if (stats !== undefined && Date.now() - stats.mtimeMs > GUARD_LIMIT_MS) {
    await unlink(guard).catch(() => undefined);
  }
}

async function isAlive(holder: LockHolder, lockPath: string): Promise<boolean> {
  if (holder.host !== hostname()) {
    const { mtimeMs } = await stat(lockPath).catch(() => ({ mtimeMs: 0 }));
    return Math.abs(Date.now() - mtimeMs) < FOREIGN_LIMIT_MS;
  }
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.started === undefined || holder.started === startOf(holder.pid);
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(text) as LockHolder;
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 && typeof holder.host === 'string'
      ? holder
      : undefined;
  } catch {
    return undefined;
  }
}

function holderOf(pid: number): LockHolder {
  const started = startOf(pid);
  return { pid, host: hostname(), ...(started === undefined ? {} : { started }) };
}

/** Reads when a process began: the machine's start and the ticks since then; `ended` for a zombie. Linux only. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // The name in parentheses may hold spaces and parentheses; the times come after the last one.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)!.trim().split(' ');
    const isGone = fields[0] === 'Z' || fields[0] === 'X';
    return isGone ? 'ended' : `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}
