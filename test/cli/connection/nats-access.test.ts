import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { resolveNatsAccess } from '../../../src/cli/connection/nats-access.js';
import type { Session } from '../../../src/cli/session.js';

const HOME = mkdtempSync(join(tmpdir(), 'opmas-ws-home-'));
afterAll(() => rmSync(HOME, { recursive: true }));

it('finds the contexts of the nats command, and the files that they name, in the home folder of the environment handed in', async () => {
  const folder = join(HOME, '.config/nats/context');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(HOME, 'site.nk'), 'SEED', { mode: 0o600 });
  writeFileSync(join(folder, 'site.json'), '{"nkey":"~/site.nk"}', { mode: 0o600 });
  const messages = { warn: () => undefined };
  const access = (environment: Record<string, string>) =>
    resolveNatsAccess({ environment, terminal: { messages } } as unknown as Session, { subjectPrefix: 'x' });
  expect(await access({ HOME, NATS_CONTEXT: 'site' })).toMatchObject({ nkey: 'SEED' });
  expect(await access({ USERPROFILE: HOME, NATS_CONTEXT: 'site' })).toMatchObject({ nkey: 'SEED' });
  expect(await access({ HOME, NATS_NKEY: '~/site.nk' })).toMatchObject({ nkey: 'SEED' });
});
