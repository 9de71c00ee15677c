import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sandbox } from '../cli/sandbox.js';
import { GATE_HEADER, type Gateway, OPERATOR } from '../support/real-stack/gateways.js';
import { RealStack, withoutRealStack } from '../support/real-stack.js';

const quick = '-n 1 --retries 2 --retry-delay 20ms --retry-max 50ms --connect-timeout 2s'.split(' ');
const [gateName = '', gateKey = ''] = GATE_HEADER.split(': ');
const basic = `Basic ${btoa(OPERATOR)}`;

/** A gateway, the header that it wants, with the value in a file, and the commands that are tried. */
const gates: [
  gateway: Gateway,
  header: string,
  value: string,
  commands: string,
  fault: string,
  option: string,
][] = [
  [
    'lets an operator in',
    'Authorization',
    basic,
    'tail, record, doctor, auth login',
    'gateway wants credentials',
    "-H 'Authorization: @FILE'",
  ],
  [
    'lets a header in',
    gateName,
    gateKey,
    'doctor, auth login',
    'gateway refuses this machine',
    "-H 'NAME: @FILE'",
  ],
  ['lets a header in, else shows a login page', gateName, gateKey, 'tail', 'redirected', "-H 'NAME: @FILE'"],
];
const commandLines: Record<string, string[]> = {
  tail: ['tail', 'devices', '-f', 'json', ...quick],
  record: ['record', 'devices', '-o', 'x.ndjson', ...quick],
  doctor: ['doctor', 'devices'],
  'auth login': ['auth', 'login', '--username', 'admin', '--password-stdin'],
};

describe.skipIf(withoutRealStack)('a gateway', { concurrent: true }, () => {
  let stack: RealStack;
  beforeAll(async () => {
    stack = await RealStack.start();
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  /** A home folder with a token and the value of a header. */
  function home(gateway: Gateway, value = '', token = stack.token('good')): Sandbox {
    const sandbox = new Sandbox({ OPMAS_URL: stack.gateway(gateway), OPMAS_TOKEN: token });
    writeFileSync(join(sandbox.home, 'value'), `${value}\n`, { mode: 0o600 });
    return sandbox;
  }

  describe.each(gates)('that %s', (gateway, header, value, commands, fault, option) => {
    it.each(commands.split(', '))('is passed by %s with its header', async (name) => {
      const words = commandLines[name]!;
      using sandbox = home(gateway, value);
      const ended = await sandbox.run([...words, '-H', `${header}: @value`], { input: 'secret' });
      expect(ended, ended.stderr + ended.stdout).toMatchObject({ code: 0 });
      // With Basic in place of the token, the REST API cannot be asked about the token.
      if (name === 'doctor' && header !== 'Authorization') expect(ended.stdout).toMatch(/✓ api/);
    });

    it('is named by doctor, with the option that passes it', async () => {
      using sandbox = home(gateway, value);
      const ended = await sandbox.run(['doctor', 'devices', '--json']);
      const verdict = JSON.parse(ended.stdout);
      expect(ended.code).toBe(4);
      expect(verdict).toMatchObject({ fault, verdict: expect.stringContaining('gateway') });
      expect(verdict.verdict).toContain(option);
      expect(verdict.next).toMatch(/^(opmas-ws doctor|curl) /);
    });
  });

  it('that wants Basic is passed by the command that doctor suggests', async () => {
    using sandbox = home('lets an operator in', basic);
    const { next } = JSON.parse((await sandbox.run(['doctor', 'devices', '--json'])).stdout);
    const words = next.replace('@FILE', '@value').match(/"[^"]*"|[^ "]+/g);
    const [program, ...args] = words.map((word: string) => word.replaceAll('"', ''));
    expect(program).toBe('opmas-ws');
    expect((await sandbox.run(args)).stdout).toMatch(/all is well/);
  });

  it.each(['tail', 'auth login'])(
    'that wants Basic is not taken for one without, when the password is wrong: %s',
    async (name) => {
      using sandbox = home('lets an operator in', `Basic ${btoa('operator:wrong-sesame')}`);
      const words =
        name === 'tail' ? ['tail', 'devices', ...quick] : `${name} --username a --password-stdin`.split(' ');
      const ended = await sandbox.run([...words, '-H', 'Authorization: @value'], { input: 'x' });
      expect(ended.code).toBe(4);
      expect(ended.stderr).toMatch(/gateway.*rejects the Authorization header/i);
      expect(ended.stderr).not.toMatch(/sesame|wrong user/);
    },
  );

  it('that wants Basic, and a token in the same header: doctor says to use the query', async () => {
    using sandbox = home('lets an operator in');
    const ended = await sandbox.run(['doctor', 'devices', '--token-in', 'header']);
    expect(ended.stdout).toMatch(/verdict .*--token-in query/);
    expect(ended.stdout).toMatch(/next .*--header "Authorization: @FILE".*--token-in query$/m);
  });

  // One after another, because the second sends the token in the query, and the log is of both.
  describe.sequential('that takes the token in the header', () => {
    const gateway = 'takes the token in the header';

    it('is served with --token-in header, and its log has no token', async () => {
      using sandbox = home(gateway);
      const ended = await sandbox.run(['tail', 'devices', ...quick, '--token-in', 'header']);
      expect(ended, ended.stderr).toMatchObject({ code: 0 });
      expect(stack.accessLog()).toMatch(/GET \/api\/v1\/ws\/devices HTTP.* 101 /);
      expect(stack.accessLog()).not.toContain(stack.token('good').slice(-20));
    });

    it('is found out by doctor, which tries that', async () => {
      using sandbox = home(gateway, '', `${stack.token('good')}`);
      const { code, stdout } = await sandbox.run(['doctor', 'devices']);
      expect(code).toBe(4);
      expect(stdout).toMatch(/✗ upgrade devices.*opens with the token in the Authorization header/);
      expect(stdout).toMatch(/verdict .*use --token-in header/);
      expect(stdout).toMatch(/next +opmas-ws tail devices .*--token-in header/);
    });
  });

  it('that takes the token in the query only: doctor names that, and does not put the token there', async () => {
    using sandbox = home('plain');
    const { code, stdout } = await sandbox.run(['doctor', 'devices', '--token-in', 'header']);
    expect(code).toBe(4);
    expect(stdout).toMatch(/verdict .*--token-in query/);
    expect(stdout).toMatch(/next +opmas-ws doctor devices .*--token-in query/);
  });
});
