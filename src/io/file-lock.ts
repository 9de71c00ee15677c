import { readFileSync } from 'node:fs';
import { open, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** Who holds a lock. */
export interface LockHolder {
  pid: number;
  host: string;
  /** Tells a process from a later one with the same number; absent where nothing tells it. */
  started?: string;
}

/** The lock of another host is void when its holder has not shown itself for so long. */
const FOREIGN_LIMIT_MS = 30_000;
/** A lock without a text is being written, or its writer was killed just then. */
const EMPTY_LIMIT_MS = 500;
/** Taking a void lock away takes a moment. */
const GUARD_LIMIT_MS = 2000;
const POLL_MS = 20;
const MOST_TRIES = 150;

/** A lock on a file: `FILE.lock` beside it. A lock whose holder was killed is void by itself. */
export interface FileLock {
  /** Shows that the holder lives, to those who can't see its process (another host): at least every 15 s. */
  refresh(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Takes the lock on a file, if nobody has it.
 *
 * @returns The lock, or who holds it.
 * @throws The error of the file system when the lock can't be written or read.
 */
export async function tryLock(path: string): Promise<{ lock: FileLock } | { holder: LockHolder }> {
  const lockPath = `${path}.lock`;
  const text = JSON.stringify(holderOf(process.pid));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (await create(lockPath, text)) return { lock: heldLock(lockPath, text) };
    const found = await readLock(lockPath);
    if (found === undefined) {
      // It has gone meanwhile, or it is a link to nothing.
      await delay(tries < 3 ? 0 : POLL_MS);
      continue;
    }
    const holder = parseHolder(found);
    if (holder !== undefined && (await isAlive(holder, lockPath))) return { holder };
    await takeAway(lockPath, found);
  }
  throw new Error(`${lockPath} can neither be taken nor taken away`);
}

function heldLock(lockPath: string, text: string): FileLock {
  return {
    refresh: async () => {
      const now = new Date();
      await utimes(lockPath, now, now).catch(() => undefined);
    },
    release: async () => {
      // Somebody may have taken the lock away by hand and somebody else may have it now.
      if ((await readFile(lockPath, 'utf8').catch(() => undefined)) === text) {
        await unlink(lockPath).catch(() => undefined);
      }
    },
  };
}

/** @returns Whether there was none. */
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

/** The text of the lock; `undefined` when it has gone meanwhile. */
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
 * Takes a void lock away, unless somebody else has done so. One at a time, or who has judged the old lock could take
 * the new one of somebody who was faster.
 */
async function takeAway(lockPath: string, judged: string): Promise<void> {
  const guard = `${lockPath}.guard`;
  if (!(await create(guard, ''))) {
    await removeIfOld(guard);
    await delay(POLL_MS);
    return;
  }
  try {
    if ((await readFile(lockPath, 'utf8')) === judged) await unlink(lockPath);
  } catch {
    // It has gone; whoever has it next will be seen at the next try.
  } finally {
    await unlink(guard).catch(() => undefined);
  }
}

/** Whoever is killed while he takes a lock away leaves his guard behind. */
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

/** When a process began: the machine's start and the ticks since then; `ended` for a zombie. Only Linux tells. */
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
