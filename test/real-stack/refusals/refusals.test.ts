import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../../src/cli/exit.js';
import { diagnose, noToken, parseBaseUrl, tokenFromText } from '../../../src/index.js';
import { withServerChoice } from '../../../src/internal.js';
import { type Ended, Sandbox } from '../../cli/sandbox.js';
import { RealStack, withoutRealStack } from '../../support/real-stack.js';
import { endpointSituations } from './endpoint-situations.js';
import { gatewaySituations } from './gateway-situations.js';
import { blamesToken, type Outcome, outcomes } from './outcomes.js';
import { argumentsOf, type CommandName, type Situation, urlOf } from './situation.js';
import { tokenSituations } from './token-situations.js';

if (withoutRealStack) console.warn(`tests against the real stack are skipped: ${withoutRealStack}`);

const cases = [...gatewaySituations, ...tokenSituations, ...endpointSituations].flatMap((situation) =>
  situation.commands.map((command) => ({
    title: `${situation.name}: ${command}`,
    situation,
    command,
  })),
);

describe.skipIf(withoutRealStack)('each refusal names its cause', { concurrent: true }, () => {
  let stack: RealStack;
  beforeAll(async () => {
    stack = await RealStack.start();
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  for (const { title, situation, command } of cases) {
    it(title, async () => {
      const url = urlOf(situation, stack);
      const token = situation.token === 'none' ? '' : stack.token(situation.token);
      const isLogin = command.startsWith('auth login');
      using sandbox = new Sandbox(isLogin ? {} : { OPMAS_TOKEN: token });
      const input = command === 'auth login' ? 'secret' : token;
      const run = () => sandbox.run(argumentsOf(command, situation, url), isLogin ? { input } : {});
      const ended = await (command === 'doctor --json' ? diagnosed(situation, url, token) : run());
      judge({ situation, command, url, ended });
      if (token !== '') expect(ended.stdout + ended.stderr).not.toContain(token.slice(-20));
    });
  }
});

/** Does in this process what `doctor --json` does in one of its own. `doctor` is tried as a user would. */
async function diagnosed({ endpoints = ['devices'] }: Situation, url: string, token: string): Promise<Ended> {
  const said = { url, noToken: token === '', endpoints };
  const steps = diagnose({
    url: parseBaseUrl(url),
    endpoints: endpoints.length === 0 ? undefined : endpoints,
    token: token === '' ? noToken() : tokenFromText(token, 'OPMAS_TOKEN'),
    said,
  });
  const checks: string[] = [];
  let step = await steps.next();
  for (; !step.done; step = await steps.next()) checks.push(withServerChoice(step.value.detail, said));
  const { failure, code, text, next } = step.value;
  const verdict = withServerChoice(text, said);
  const stdout = JSON.stringify({ fault: failure ?? null, verdict, next, checks });
  return { code: code === undefined ? 0 : EXIT_CODES[code], signal: null, stdout, stderr: '' };
}

interface Run {
  situation: Situation;
  command: CommandName;
  url: string;
  ended: Ended;
}

function judge(run: Run): void {
  const { situation, command, ended } = run;
  const text = command.startsWith('doctor') ? ended.stdout : ended.stderr;
  const shown = `exit code ${ended.code}\n${ended.stderr}${ended.stdout}`;
  const { outcome, says = [], neverSays = [] } = situation;
  for (const pattern of neverSays) expect(text, shown).not.toMatch(pattern);
  if (outcome === 'works') {
    expect(ended.code, shown).toBe(0);
    return;
  }
  const expected = typeof outcome === 'string' ? [outcome] : outcome;
  const codes = situation.codes ?? expected.flatMap((name) => outcomes[name].codes);
  checkHints(run, shown);
  if (!codes.includes(3)) expect(text, shown).not.toMatch(blamesToken);
  if (command === 'auth login --with-token' && ended.code === 0 && !provesToken(expected)) {
    // A token that cannot be checked may be kept, if that is said.
    expect(text, shown).toMatch(/not (been )?(checked|verified)/);
    return;
  }
  expect(codes, shown).toContain(ended.code);
  for (const pattern of says) expect(text, shown).toMatch(pattern);
  if (situation.quotes !== undefined) {
    if (command === 'auth login') {
      expect(text, shown).not.toMatch(situation.quotes);
      expect(text, shown).toContain('opmas-ws doctor');
    } else expect(text, shown).toMatch(situation.quotes);
  }
  if (situation.isUnnamed) return;
  if (command === 'doctor --json') expect(expected, shown).toContain(JSON.parse(text).fault);
  expect(
    expected.some((name) => outcomes[name].message.test(text)),
    `${expected}: ${shown}`,
  ).toBe(true);
}

/** Whether the token is surely at fault. */
function provesToken(expected: readonly Outcome[]): boolean {
  return expected.every((outcome) => outcome === 'token refused' || outcome === 'token expired');
}

/** Each command that is suggested asks the same server, and is not the one that has just failed. */
function checkHints({ command, situation, url, ended }: Run, shown: string): void {
  const suggested = (ended.stdout + ended.stderr).match(/opmas-ws (auth|tail|record|doctor)[^\n"`;]*/g) ?? [];
  for (const hint of suggested) {
    if (!/(-u|--url) wss?:/.test(hint)) expect(hint, shown).toContain(`--url ${url}`);
    const words = hint.replace('--url', '-u').split(' ').slice(1);
    const isSame = argumentsOf('doctor', situation, url).every((word) => words.includes(word));
    const isChanged = /--(ca|header)|-H/.test(hint);
    if (command.startsWith('doctor')) expect(isSame && !isChanged, shown).toBe(false);
  }
  if (command === 'doctor --json') expect(JSON.parse(ended.stdout).next, shown).toMatch(/\w/);
}
