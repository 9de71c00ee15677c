import { existsSync } from 'node:fs';
import {
  escapeUnsafe,
  OpmasError,
  openRecording,
  type RecordingWriter,
  type RecordOptions,
  systemClock,
} from '../../../index.js';
import { counted, formatSize } from '../../options/quantity.js';
import type { Palette } from '../../terminal/palette.js';

/** The options about the files of a recording. */
export interface TargetOptions {
  out?: string;
  append?: boolean;
  force?: boolean;
  /** Bytes. */
  rotateSize?: number;
  /** Milliseconds. */
  rotateEvery?: number;
  keep?: number;
  mode: number;
}

/** Recorders that may start in one second. */
const MOST_NAMES = 100;

/** Checks the options and returns those for the files. @throws {OpmasError} `USAGE` */
export function fileOptionsOf(
  options: TargetOptions,
  onNotice: (message: string) => void,
  onDelete: RecordOptions['onDelete'],
): RecordOptions {
  const { rotateSize, rotateEvery, keep, mode } = options;
  if (keep !== undefined && rotateSize === undefined && rotateEvery === undefined) {
    throw new OpmasError('USAGE', '--keep needs --rotate-size or --rotate-every');
  }
  if (options.out !== undefined && ['', '-', '/dev/stdout', '/dev/fd/1'].includes(options.out)) {
    throw new OpmasError('USAGE', `--out: ${JSON.stringify(options.out)} is not a file`, {
      hint: 'To print the same lines on stdout: opmas-ws tail -f json --lifecycle',
    });
  }
  return {
    append: options.append,
    force: options.force,
    rotateBytes: rotateSize,
    rotateMs: rotateEvery,
    keep,
    mode,
    onNotice,
    onDelete,
  };
}

/** Reads the octal mode of a file, as `chmod` takes it: `640`. */
export function parseMode(text: string, name: string): number {
  if (/^0?[67][0-7]{2}$/.test(text)) return Number.parseInt(text, 8);
  const hint = 'Write three octal digits: 640 lets the group read. You must be able to read and write.';
  throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a mode of a recording`, { hint });
}

/** Opens the file that the user named; else a new one, also next to another recorder that starts in this second. */
export async function openTarget(path: string | undefined, files: RecordOptions): Promise<RecordingWriter> {
  if (path !== undefined) return openRecording(path, files);
  const name = defaultName();
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : name.replace('.', `-${number}.`);
    try {
      return await openRecording(candidate, { ...files, append: false, force: false });
    } catch (error) {
      const isTaken = existsSync(candidate) || existsSync(`${candidate}.lock`);
      if (!isTaken || number === MOST_NAMES) throw error;
    }
  }
}

/** Returns `opmas-20261122T215000Z.ndjson`: sorts by time, and is a valid file name on all systems. */
function defaultName(): string {
  const start = new Date(systemClock.nowMicros() / 1000).toISOString();
  return `opmas-${start.slice(0, 19).replace(/[-:]/g, '')}Z.ndjson`;
}

/** Says how many lines were written, and where they are. */
export function fileText(
  { lastName, lines, size, files, deletedFiles, lostLines }: RecordingWriter,
  palette: Palette,
): string {
  const others = files > 1 ? ` and ${counted(files - 1, 'more file')}` : '';
  const where = lastName === undefined ? counted(files, 'file') : `${escapeUnsafe(lastName)}${others}`;
  const target = files === 0 ? ', but all files have been deleted' : ` to ${where}, ${formatSize(size)}`;
  const gone = `; ${counted(deletedFiles, 'file')} deleted since`;
  const rest = files === 0 || deletedFiles === 0 ? '' : gone;
  const written = `${counted(lines, 'line')} written${target}${rest}`;
  return lostLines === 0
    ? palette.dim(written)
    : `${written}; ${palette.red(`${lostLines} could not be written`)}`;
}
