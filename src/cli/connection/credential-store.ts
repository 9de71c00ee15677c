import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type CredentialStore, type Credentials, OpmasError, type StoredCredentials } from '../../index.js';
import { parseCredentials, serializeCredentials } from '../../internal.js';
import { dataFolder } from './config-paths.js';
import { Keychain, KeychainUnavailable } from './keychain.js';
import { readPrivateFile, removePrivateFile, withLock, writePrivateFile } from './private-file.js';

const KEYCHAIN_NAME = 'the system keychain';
/** How long a person may take to unlock the keychain. */
const UNLOCK_LIMIT_MS = 60_000;
/** A keychain that is open answers faster, so whoever waits longer is told why. */
const UNLOCK_NOTICE_MS = 1500;

export interface LocalStoreOptions {
  /** Default: the system's; `undefined` skips it (`OPMAS_KEYCHAIN=off`). */
  keychain: Keychain | undefined;
  /** Folder of the files. */
  folder: string;
  /** Somebody sits at the terminal and can unlock the keychain. */
  interactive?: boolean;
  /** Told what the user should know: waiting for an unlock, no keychain and so a file. */
  onNotice?: (text: string) => void;
  /** When it aborts, nothing is written any more. */
  signal?: AbortSignal;
}

/** Opens the store that the environment asks for. */
export function openCredentialStore(
  environment: NodeJS.ProcessEnv,
  options: Omit<LocalStoreOptions, 'keychain' | 'folder'> = {},
): LocalCredentialStore {
  const off = /^(off|0|false|no)$/i.test(environment.OPMAS_KEYCHAIN ?? '');
  return new LocalCredentialStore({
    ...options,
    keychain: off ? undefined : new Keychain(),
    folder: join(dataFolder(environment), 'credentials'),
  });
}

/**
 * Credentials in the system keychain or, where there is none that can be used, in a file of their own that only the
 * user may read. A login writes to one place and clears the other, so a file that exists is the one that counts.
 */
export class LocalCredentialStore implements CredentialStore {
  readonly #options: LocalStoreOptions;
  /** Why the keychain could not be used the last time. */
  keychainProblem: string | undefined;

  constructor(options: LocalStoreOptions) {
    this.#options = options;
  }

  /** Whether there is a keychain that is asked. */
  get usesKeychain(): boolean {
    return this.#options.keychain !== undefined;
  }

  async get(account: string): Promise<StoredCredentials | undefined> {
    const path = this.#pathOf(account);
    const fromFile = parse(await readPrivateFile(path));
    if (fromFile !== undefined) return { credentials: fromFile, place: path };
    const fromKeychain = parse(await this.#tryKeychain((keychain) => keychain.get(account)));
    return fromKeychain && { credentials: fromKeychain, place: KEYCHAIN_NAME };
  }

  async set(account: string, credentials: Credentials): Promise<string> {
    const text = serializeCredentials(credentials);
    const path = this.#pathOf(account);
    const kept = await this.#tryKeychain((keychain) => this.#setInKeychain(keychain, account, text));
    if (kept) {
      await removePrivateFile(path);
      return KEYCHAIN_NAME;
    }
    const isNew = (await readPrivateFile(path)) === undefined;
    if (this.#options.signal?.aborted) throw new OpmasError('LOCAL', 'stopped before the token was stored');
    await writePrivateFile(path, text);
    if (isNew && this.keychainProblem !== undefined) {
      this.#options.onNotice?.(
        `the system keychain cannot be used (${this.keychainProblem}); a file that only you may read keeps the token`,
      );
    }
    return path;
  }

  async delete(account: string): Promise<boolean> {
    const hadFile = await removePrivateFile(this.#pathOf(account));
    const hadEntry = await this.#tryKeychain((keychain) => keychain.delete(account));
    return hadFile || hadEntry === true;
  }

  exclusively<T>(account: string, work: () => Promise<T>): Promise<T> {
    return withLock(this.#pathOf(account), work);
  }

  /** What the keychain gives; `undefined` when it is off or cannot be used, which is then remembered. */
  async #tryKeychain<T>(use: (keychain: Keychain) => Promise<T>): Promise<T | undefined> {
    const { keychain } = this.#options;
    // A keychain that hung once would cost three seconds each time.
    if (keychain === undefined || this.keychainProblem !== undefined) return undefined;
    try {
      return await use(keychain);
    } catch (error) {
      if (!(error instanceof KeychainUnavailable)) throw error;
      this.keychainProblem = error.message;
      return undefined;
    }
  }

  async #setInKeychain(keychain: Keychain, account: string, text: string): Promise<true> {
    if (this.#options.interactive !== true) {
      await keychain.set(account, text);
      return true;
    }
    const seconds = UNLOCK_LIMIT_MS / 1000;
    const notice = setTimeout(
      () => this.#options.onNotice?.(`waiting for the keyring to be unlocked (at most ${seconds} s)`),
      UNLOCK_NOTICE_MS,
    );
    try {
      await keychain.set(account, text, UNLOCK_LIMIT_MS);
      return true;
    } finally {
      clearTimeout(notice);
    }
  }

  #pathOf(account: string): string {
    const name = encodeURIComponent(account);
    // File systems take 255 bytes.
    const short = name.length <= 200 ? name : createHash('sha256').update(account).digest('hex');
    return join(this.#options.folder, `${short}.json`);
  }
}

function parse(text: string | undefined): Credentials | undefined {
  return text === undefined ? undefined : parseCredentials(text);
}
