import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, as others can find it again. */
export interface ProcessIdentity {
  pid: number;
  host: string;
  /**
   * The process numbers among which the pid counts. Containers have their own, often under one host name. Absent where
   * the system does not tell.
   */
  space?: string | undefined;
  /** Tells a process from a later one with the same number; absent where the system does not tell. */
  started?: string | undefined;
}

/** Returns the identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), space: ownSpace(), started: startOf(process.pid) };
}

/** Tells if a process lives; `undefined` when it cannot be seen from here, in another container or on another host. */
export function isAlive({ pid, host, space, started }: ProcessIdentity): boolean | undefined {
  const own = ownSpace();
  if (own === undefined || host !== hostname()) return undefined;
  // A lock without both comes from a system that has one space only.
  const isOwn = space === own || (space === undefined && started === undefined);
  if (!isOwn) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return started === undefined || started === startOf(pid);
}

function ownSpace(): string | undefined {
  if (process.platform !== 'linux') return hostname();
  try {
    return `${bootId()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

/** Reads when a process began: the machine's start and the ticks since then; `ended` for a zombie. Linux only. */
function startOf(pid: number): string | undefined {
  try {
    // The name in parentheses may hold spaces and parentheses; the times come after the last one.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)!.trim().split(' ');
    const isGone = fields[0] === 'Z' || fields[0] === 'X';
    return isGone ? 'ended' : `${bootId()}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
