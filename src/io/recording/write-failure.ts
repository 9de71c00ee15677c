import { OpmasError } from '../../core/errors.js';

/** Lines could not be written; the whole lines before them stay in the file. */
export class WriteFailure extends Error {
  override readonly name = 'WriteFailure';
  /** Number of lines that are not in the file, of those handed over in this call and earlier ones. */
  readonly lostLines: number;
  readonly lostBytes: number;

  constructor(path: string, cause: unknown, lost: { lines: number; bytes: number }) {
    super(`${path} cannot be written: ${reasonOf(cause)}`, { cause });
    this.lostLines = lost.lines;
    this.lostBytes = lost.bytes;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than this process may write',
  EIO: 'the disk has failed',
  EPIPE: 'its reader has gone away',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'the path to its folder leads through a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the name is too long',
};

/** Says in words why a file operation failed. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ''];
  return reason === undefined ? message : `${reason} (${code})`;
}

/** Turns the error of a file operation into an error for the user. @param problem As in `x.ndjson cannot be written`. */
export function localError(problem: string, error: unknown): OpmasError {
  return new OpmasError('LOCAL', `${problem}: ${reasonOf(error)}`, { cause: error });
}
