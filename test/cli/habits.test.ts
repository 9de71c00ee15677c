import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configureCommands } from '../../src/cli/command-table.js';
import { adviceForQuotes, withDoubleQuotes, withVersionOption } from '../../src/cli/habits.js';
import { createProgram } from '../../src/cli/main.js';
import { serveRecording } from '../../src/index.js';
import { fullHelp, refusalOf } from '../support/examples.js';
import { Sandbox } from './sandbox.js';

const event = (subject: string, pad = '') =>
  `{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","type":"a","subject":"${subject}","pad":"${pad}"}\n`;

describe('habits of users of curl, jq and logrotate', () => {
  it('splits subjects at commas', async () => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'a.ndjson'), event('x.1') + event('y.1') + event('z.1'));
    const { stdout } = await sandbox.run(['tail', '--file', 'a.ndjson', '-s', 'x.*, y.1']);
    expect(stdout.trim().split('\n')).toHaveLength(2);
  });

  it.each([
    [['tail', '--duration', '0s'], /--duration must not be zero/],
    [['tail', '--file', 'a.ndjson', '--duration', '0s'], /--duration must not be zero/],
    [['record', '-o', '/dev/stdout'], /"\/dev\/stdout" is not a file[\s\S]*tail -f json --lifecycle/],
    [['tail', '-w', 'data.x.foo("a")'], /--where: there is no function foo\(\)/],
    [['tail', '-w', 'foo(data.x)'], /--where: there is no function foo\(\)/],
    [['tail', '-w', 'subject.startsWith(1)'], /--where: startsWith\(\) does not take these arguments/],
    [['tail', '-w', Array(300).fill('data.x==1').join('||')], /--where: the expression is too long/],
    [['tail', '-w', `${'('.repeat(60)}true${')'.repeat(60)}`], /nested more than 50 levels/],
  ])('says in its own words what is wrong: %j', async (args, message) => {
    using sandbox = new Sandbox();
    const { code, stderr } = await sandbox.run(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('opens no debugger on SIGUSR1', async () => {
    using sandbox = new Sandbox();
    const mock = sandbox.start(['mock', '-p', '0']);
    await mock.lines.next();
    mock.child.kill('SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    mock.child.kill('SIGTERM');
    expect((await mock.ended).stderr).not.toMatch(/Debugger/i);
  });

  it('sends a message of 20 MB to a client that reads all the time', async () => {
    using sandbox = new Sandbox();
    const path = join(sandbox.home, 'a.ndjson');
    writeFileSync(path, event('big', 'x'.repeat(20_000_000)) + event('small'));
    await using server = await serveRecording(path, { port: 0 });
    const { code, stdout, stderr } = await sandbox.run(
      [
        'tail',
        'devices',
        '-u',
        server.url,
        '-n',
        '2',
        '--max-message',
        '48MiB',
        '--duration',
        '20s',
        '-f',
        'json',
      ],
      { environment: { OPMAS_TOKEN: server.token } },
    );
    expect([code, stdout.length > 20_000_000, stderr]).toEqual([
      0,
      true,
      expect.not.stringContaining('1013'),
    ]);
  });
});

describe('words that users of other programs type', () => {
  const follows = 'New events are always followed';
  const noPast = 'The API keeps no past events';
  it.each([
    ['tail -f', follows],
    ['tail -f devices', follows],
    ['tail -F', follows],
    ['tail --watch', follows],
    ['record --follow', follows],
    ['tail --since 5m', noPast],
    ['tail --tail 10', noPast],
    ['tail --lines=10', noPast],
    ['inspect --since 5m x', '--from and --to'],
    ['replay --lines 5 x', '--last N'],
    ['tail --json', '-f json'],
    ['tail -o json', '-f json'],
    ['tail --output json', '-f json'],
    ['record --output x', 'Did you mean --out?'],
    ['inspect -o json x', '--json'],
    ['context list --output json', '--json'],
    ['doctor --verbose', '--debug'],
    ['tail --limit 5', '-n N'],
    ['-n 5 tail', 'Options of a command stand after its name'],
    ['-H X:y tail', 'Options of a command stand after its name'],
    ['devices', 'Did you mean tail?'],
    ['context add lab wss://lab.example', 'opmas-ws context add NAME --url URL'],
    ['context add lab --insecure', '--ca FILE'],
    ['context add lab --token-file x', "--token-command 'cat FILE'"],
    ['tail --password=secret', 'auth login'],
    ['logs', 'Did you mean tail?'],
    ['login', 'Did you mean auth login?'],
    ['completion', 'Did you mean complete?'],
    ['context ls', 'Did you mean list?'],
    ['auth whoami', 'Did you mean status?'],
    ['tial', 'Did you mean tail?'],
    ['tail --exclde-type x', 'Did you mean --exclude-type?'],
    ['frobnicate', '`opmas-ws --help` shows the options and examples.'],
    ['context use', '`opmas-ws context use --help` shows the options and examples.'],
  ])('%s is a usage error that says what to type', async (line, advice) => {
    const refused = await refusalOf(line.split(' '));
    expect(refused).toMatch(/^USAGE /);
    expect(refused).toContain(advice);
    expect(refused).not.toContain('secret');
  });

  it('prints errors of options like all others, in two lines', async () => {
    using sandbox = new Sandbox();
    expect(await sandbox.run(['tail', '--colr'])).toMatchObject({
      code: 2,
      stderr: "opmas-ws: unknown option '--colr'\n  Did you mean --color?\n",
    });
  });

  it.each([[['version']], [['-V']], [['-v']]])('%j prints the version', async (args) => {
    const program = createProgram();
    let text = '';
    program.configureOutput({ writeOut: (part) => (text += part) });
    await program.parseAsync(withVersionOption(args), { from: 'user' }).catch(() => undefined);
    expect(text).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('takes --no-color for --color never', () => {
    const program = createProgram();
    program.parseOptions(['--no-color']);
    expect(program.opts()).toMatchObject({ color: 'never' });
    expect(() => program.parseOptions(['--color', 'always', '--no-color'])).toThrow(/only once/);
  });
});

describe('on Windows', () => {
  it('writes examples for cmd.exe and PowerShell: no single quotes around anything', async () => {
    const program = createProgram();
    await configureCommands(program);
    const help = [program, ...program.commands]
      .map((command) => withDoubleQuotes(fullHelp(command)))
      .join('');
    // Windows has no grep, and neither bash nor zsh.
    expect(help.replace(/(grep|echo) '.*'/g, '').match(/(?<!\w)'.*/g)).toBe(null);
    expect(help).toContain('opmas-ws tail devices --type "device.*" | jq');
    expect(help).toContain("do not verify the server's certificate");
  });

  it('prints that help', async () => {
    using sandbox = new Sandbox();
    writeFileSync(
      join(sandbox.home, 'windows.cjs'),
      `Object.defineProperty(process, 'platform', { value: 'win32' });`,
    );
    const { stdout } = await sandbox.run(['tail', '--help'], {
      environment: { NODE_OPTIONS: `--require=${join(sandbox.home, 'windows.cjs')}` },
    });
    expect(stdout).toContain('--type "device.*"');
  });

  it.each([
    [['-t', "'device.*'"], /^'device\.\*': cmd\.exe passes single quotes on/],
    [['-w', "'data.cpu", '>', "90'"], /^'data\.cpu: cmd\.exe/],
    [['-w', "'x' in data.tags"], undefined],
    [['-t', 'device.*'], undefined],
  ])('warns of single quotes that cmd.exe has passed on: %j', (args, warning) => {
    if (warning === undefined) expect(adviceForQuotes(args, 'win32')).toBe(undefined);
    else expect(adviceForQuotes(args, 'win32')).toMatch(warning);
    expect(adviceForQuotes(args, 'linux')).toBe(undefined);
  });
});
