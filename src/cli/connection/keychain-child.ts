/**
 * Program that talks to the system keychain in a process of its own, because keychains hang and crash. Reads one
 * request as JSON from stdin and writes one answer as JSON to stdout. Never calls `findCredentials`: it crashes on a
 * locked keyring.
 */
import type { KeychainAnswer, KeychainRequest } from './keychain.js';

const SERVICE = 'opmas-ws';

/**
 * Returns whether keytar has a library for this machine. Those for 32-bit ARM and for musl are for other machines, and
 * to load them can crash.
 */
function hasLibrary(): boolean {
  if (process.platform !== 'linux') return true;
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return process.arch !== 'arm' && header.glibcVersionRuntime !== undefined;
}

async function answer(request: KeychainRequest): Promise<KeychainAnswer> {
  if (!hasLibrary()) throw new Error('there is none for this kind of machine');
  const { default: keytar } = await import('keytar');
  const { operation, account, secret } = request;
  switch (operation) {
    case 'get':
      return { secret: await keytar.getPassword(SERVICE, account) };
    case 'delete':
      return { deleted: await keytar.deletePassword(SERVICE, account) };
    case 'set': {
      await keytar.setPassword(SERVICE, account, secret ?? '');
      // Some keychains lose or truncate a secret without an error.
      if ((await keytar.getPassword(SERVICE, account)) !== secret)
        throw new Error('it did not keep the secret');
      return {};
    }
  }
}

let input = '';
for await (const chunk of process.stdin) input += String(chunk);
const result = await answer(JSON.parse(input) as KeychainRequest).catch(
  (error: unknown): KeychainAnswer => ({ error: error instanceof Error ? error.message : String(error) }),
);
process.stdout.write(JSON.stringify(result));
