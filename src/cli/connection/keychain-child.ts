/**
 * Program that talks to the system keychain in a process of its own, because keychains hang and crash. Reads one
 * request as JSON from stdin and writes one answer as JSON to stdout. Never calls `findCredentials`: it crashes on a
 * locked keyring.
 */
import type { KeychainAnswer, KeychainRequest } from './keychain.js';

const SERVICE = 'opmas-ws';

async function answer(request: KeychainRequest): Promise<KeychainAnswer> {
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
