import { readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Digits of a part's number; `ls` and the shell's `*` then list parts in their order. */
const DIGITS = 6;

/** How the finished parts of a recording are named: `capture.ndjson` → `capture.000001.ndjson`. */
export interface PartNames {
  /** The name for the next finished part; no file has it. */
  next(): Promise<string>;
  /** Deletes finished parts but for the newest `keep`. @returns The paths of those deleted. */
  prune(keep: number): Promise<string[]>;
}

/** @param path Path of the recording, which is always the part that is being written. */
export function partNames(path: string): PartNames {
  const folder = dirname(path);
  const name = basename(path);
  const extension = /(?<=.)\.[^.]+(\.gz)?$/.exec(name)?.[0] ?? '';
  const stem = name.slice(0, name.length - extension.length);

  const numbers = async () => {
    const found = (await readdir(folder)).map((entry) => numberOf(entry, stem, extension));
    return found.filter((number) => number !== undefined).sort((a, b) => a - b);
  };
  const nameOf = (number: number) =>
    join(folder, `${stem}.${String(number).padStart(DIGITS, '0')}${extension}`);

  return {
    next: async () => nameOf(((await numbers()).at(-1) ?? 0) + 1),
    prune: async (keep) => {
      const all = await numbers();
      const surplus = all.slice(0, Math.max(0, all.length - keep)).map(nameOf);
      for (const part of surplus) await unlink(part).catch(() => undefined);
      return surplus;
    },
  };
}

function numberOf(entry: string, stem: string, extension: string): number | undefined {
  if (!entry.startsWith(`${stem}.`) || !entry.endsWith(extension)) return undefined;
  const digits = entry.slice(stem.length + 1, entry.length - extension.length);
  return digits.length >= DIGITS && /^\d+$/.test(digits) ? Number(digits) : undefined;
}
