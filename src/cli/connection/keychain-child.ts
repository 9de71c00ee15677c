/**
 * The process that talks to the system keychain, so that a keychain that hangs or crashes takes nothing else along.
 * One request as JSON on stdin, one answer as JSON on stdout. `findCredentials` is never called: it crashes on a locked
 * keyring.
 */
import type { KeychainAnswer, KeychainRequest } from './keychain.js';

async function answer(request: KeychainRequest): Promise<KeychainAnswer> {
  const { default: keytar } = await import('keytar');
  const { operation, service, account, secret } = request;
  switch (operation) {
    case 'get':
      return { secret: await keytar.getPassword(service, account) };
    case 'delete':
      return { deleted: await keytar.deletePassword(service, account) };
    case 'set': {
      await keytar.setPassword(service, account, secret ?? '');
      // Some keychains take a secret and lose it, or cut it.
      if ((await keytar.getPassword(service, account)) !== secret)
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
