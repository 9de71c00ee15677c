import { lstat, open, readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RECEIVED_AT } from '../../core/recording/format.js';

/** Digits of a part's number; `ls` and the shell's `*` then list parts in their order. */
const DIGITS = 6;
/** Larger numbers cannot be counted on exactly. */
const MOST_DIGITS = 15;

/** How the finished parts of a recording are named: `capture.ndjson` → `capture.000001.ndjson`. */
export interface PartNames {
  /** The name for the next finished part; no file has it. */
  next(): Promise<string>;
  /** Deletes finished parts but for the newest `keep`; what is no recording is none. @returns The paths of those deleted. */
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
      const parts: string[] = [];
      for (const number of await numbers()) {
        if (await isRecording(nameOf(number))) parts.push(nameOf(number));
      }
      const surplus = parts.slice(0, Math.max(0, parts.length - keep));
      for (const part of surplus) await unlink(part).catch(() => undefined);
      return surplus;
    },
  };
}

const BEGINNINGS = [Buffer.from(RECEIVED_AT), Buffer.from([0x1f, 0x8b])];

/** Whether it begins as recordings of ours do, compressed or not. What cannot be read is left alone. */
async function isRecording(path: string): Promise<boolean> {
  const beginning = Buffer.alloc(RECEIVED_AT.length);
  try {
    // Whoever opens a named pipe waits for somebody to write to it.
    if (!(await lstat(path)).isFile()) return false;
    await using file = await open(path);
    await file.read(beginning, 0, beginning.length, 0);
  } catch {
    return false;
  }
  return BEGINNINGS.some((bytes) => beginning.subarray(0, bytes.length).equals(bytes));
}

function numberOf(entry: string, stem: string, extension: string): number | undefined {
  if (!entry.startsWith(`${stem}.`) || !entry.endsWith(extension)) return undefined;
  const digits = entry.slice(stem.length + 1, entry.length - extension.length);
  return digits.length >= DIGITS && digits.length <= MOST_DIGITS && /^\d+$/.test(digits)
    ? Number(digits)
    : undefined;
}
