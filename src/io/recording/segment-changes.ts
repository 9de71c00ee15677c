/** Finds out what someone else has done to a file that is being written. */
import { lstat, readdir, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export const DELETED = 'deleted, with all its lines';

/** Says in words what happened to a segment; `undefined` for nothing. */
export function changeOf({ isDeleted, cutBy }: { isDeleted: boolean; cutBy: number }): string | undefined {
  if (isDeleted) return DELETED;
  return cutBy > 0 ? `cut short (${cutBy} bytes)` : undefined;
}

/** Identifies a file whatever its name. */
export function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}/${ino}`;
}

/** Finds the name that an open file has now; `undefined` when it has none, or one in a folder that is not known. */
export async function currentName(
  path: string,
  file: { fd: number; stat(): Promise<{ dev: number; ino: number }> },
): Promise<string | undefined> {
  const identity = identityOf(await file.stat());
  const has = async (name: string) =>
    identityOf(await lstat(name).catch(() => ({ dev: -1, ino: -1 }))) === identity;
  if (await has(path)) return path;
  // Linux knows the name in any folder.
  const known = await readlink(`/proc/self/fd/${file.fd}`).catch(() => '');
  if (known !== '' && (await has(known))) return known;
  for (const entry of await readdir(dirname(path)).catch(() => [])) {
    const name = join(dirname(path), entry);
    if (await has(name)) return name;
  }
  return undefined;
}
