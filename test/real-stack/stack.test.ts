import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sandbox } from '../cli/sandbox.js';
import { RealStack, withoutRealStack } from '../support/real-stack.js';

if (withoutRealStack) console.warn(`tests against the real stack are skipped: ${withoutRealStack}`);

describe.skipIf(withoutRealStack)('the API on FastAPI and uvicorn behind nginx', () => {
  let stack: RealStack;
  beforeAll(async () => {
    stack = await RealStack.start();
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  it.each(['through nginx', 'without nginx'])('gives a login and, with it, events: %s', async (way) => {
    const url = way === 'through nginx' ? stack.gateway('plain') : stack.api('usual');
    using sandbox = new Sandbox({ OPMAS_URL: url });
    const login = ['auth', 'login', '--username', 'admin', '--password-stdin'];
    expect(await sandbox.run(login, { input: 'secret' })).toMatchObject({ code: 0 });
    const { code, stdout } = await sandbox.run(['tail', 'devices', '-n', '3', '-f', 'json']);
    expect(code).toBe(0);
    const events = stdout.trimEnd().split('\n');
    expect(events.map((line) => JSON.parse(line).data.number)).toEqual([1, 2, 3]);
  });

  it.each(['expired', 'forged', 'not a JWT'] as const)('refuses a token that is %s', async (kind) => {
    const answer = await fetch(`${stack.gateway('plain').replace('ws', 'http')}/api/v1/auth/me`, {
      headers: { Authorization: `Bearer ${stack.token(kind)}` },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });
});
