import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type CredentialStore, type Credentials, OpmasError, type StoredCredentials } from '../../index.js';
import { exposure, parseCredentials, serializeCredentials } from '../../internal.js';
import type { Session } from '../session.js';
import { inputIsTerminal } from '../terminal/standard-streams.js';
import { askKeychain, type KeychainAnswer, type KeychainRequest, KeychainUnavailable } from './keychain.js';
import {
  dataFolder,
  readPrivateFile,
  removePrivateFile,
  withLock,
  writePrivateFile,
} from './private-files.js';

const KEYCHAIN_NAME = 'the system keychain';
/** Limit for a user to unlock the keychain. */
const UNLOCK_LIMIT_MS = 60_000;
/** An unlocked keychain answers faster; after this time the user is told why it takes so long. */
const UNLOCK_NOTICE_MS = 1500;

export interface LocalStoreOptions {
  /** `undefined` skips the keychain (`OPMAS_KEYCHAIN=off`). */
  keychain: typeof askKeychain | undefined;
  /** Folder of the credential files; `undefined` without a home folder. */
  folder: string | undefined;
  /** True when a user at the terminal can unlock the keychain. */
  interactive?: boolean;
  /** Receives notices for the user: waiting for an unlock, or a file is used because there is no keychain. */
  onNotice?: (text: string) => void;
  /** After it aborts, nothing is written. */
  signal?: AbortSignal | undefined;
}

/**
 * Opens the credential store of a command; the environment can turn the keychain off.
 *
 * @param signal After it aborts, nothing is written.
 */
export function openCredentialStore(
  { environment, terminal: { messages } }: Pick<Session, 'environment' | 'terminal'>,
  signal?: AbortSignal,
): LocalCredentialStore {
  const data = dataFolder(environment);
  const off = /^(off|0|false|no)$/i.test(environment.OPMAS_KEYCHAIN ?? '');
  return new LocalCredentialStore({
    keychain: off ? undefined : askKeychain,
    folder: data && join(data, 'credentials'),
    interactive: inputIsTerminal() && messages.isTerminal,
    onNotice: messages.warn,
    signal,
  });
}

/**
 * Stores credentials in the system keychain or, where no keychain works, in a file that only the user may read. A
 * login writes to one place and clears the other, so an existing file always takes precedence.
 */
export class LocalCredentialStore implements CredentialStore {
  #keychainProblem: string | undefined;
  #hasWarned = false;

  constructor(private readonly options: LocalStoreOptions) {}

  /** Why the keychain failed the last time: `the system keychain does not work (…)`. */
  get problem(): string | undefined {
    const reason = this.#keychainProblem;
    return reason === undefined ? undefined : `${KEYCHAIN_NAME} does not work (${reason})`;
  }

  /** True unless the keychain is turned off. */
  get usesKeychain(): boolean {
    return this.options.keychain !== undefined;
  }

  async get(account: string): Promise<StoredCredentials | undefined> {
    const path = this.#pathOf(account);
    const fromFile = parseCredentials((await readPrivateFile(path)) ?? '');
    if (path !== undefined && fromFile !== undefined) {
      await this.#warnOfReaders(path);
      return { credentials: fromFile, place: path };
    }
    const answer = await this.#askKeychain({ operation: 'get', account });
    const fromKeychain = parseCredentials(answer?.secret ?? '');
    return fromKeychain && { credentials: fromKeychain, place: KEYCHAIN_NAME };
  }

  async set(account: string, credentials: Credentials): Promise<string> {
    const text = serializeCredentials(credentials);
    const path = this.#pathOf(account);
    const kept = await this.#askKeychain({ operation: 'set', account, secret: text });
    if (kept !== undefined) {
      await removePrivateFile(path);
      return KEYCHAIN_NAME;
    }
    const isNew = (await readPrivateFile(path)) === undefined;
    if (this.options.signal?.aborted) throw new OpmasError('LOCAL', 'stopped before the token was stored');
    const written = await writePrivateFile(path, text);
    if (isNew && this.problem !== undefined) {
      this.options.onNotice?.(`${this.problem}; the token is stored in a file that only you can read`);
    }
    return written;
  }

  async delete(account: string): Promise<boolean> {
    const hadFile = await removePrivateFile(this.#pathOf(account));
    const answer = await this.#askKeychain({ operation: 'delete', account });
    return hadFile || answer?.deleted === true;
  }

  exclusively<T>(account: string, work: () => Promise<T>): Promise<T> {
    return withLock(this.#pathOf(account), work);
  }

  /** Warns once when other users may read the file: it was copied, or its mode was changed. */
  async #warnOfReaders(path: string): Promise<void> {
    if (this.#hasWarned) return;
    await using file = await open(path).catch(() => undefined);
    const warning = file && (await exposure(file, path, 'the stored login'));
    if (warning === undefined) return;
    this.#hasWarned = true;
    this.options.onNotice?.(warning);
  }

  /**
   * Returns the keychain's answer; `undefined` when it is off or does not work, which is remembered. Gives a user at the
   * terminal the time to unlock it.
   */
  async #askKeychain(request: KeychainRequest): Promise<KeychainAnswer | undefined> {
    const { keychain, interactive, onNotice } = this.options;
    // A keychain that hangs would cost the same time again.
    if (keychain === undefined || this.#keychainProblem !== undefined) return undefined;
    const seconds = UNLOCK_LIMIT_MS / 1000;
    const notice = interactive
      ? setTimeout(() => onNotice?.(`waiting ${seconds} s for you to unlock the keychain`), UNLOCK_NOTICE_MS)
      : undefined;
    try {
      return await keychain(request, interactive ? UNLOCK_LIMIT_MS : undefined);
    } catch (error) {
      if (!(error instanceof KeychainUnavailable)) throw error;
      this.#keychainProblem = error.message;
      return undefined;
    } finally {
      clearTimeout(notice);
    }
  }

  #pathOf(account: string): string | undefined {
    const { folder } = this.options;
    if (folder === undefined) return undefined;
    const name = encodeURIComponent(account);
    // File names are limited to 255 bytes.
    const short = name.length <= 200 ? name : createHash('sha256').update(account).digest('hex');
    return join(folder, `${short}.json`);
  }
}
