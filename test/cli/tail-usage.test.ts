import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { refusalOf } from '../support/examples.js';
import { event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

/** Arguments after `tail -u URL`, and what the message has to name. */
const wrong: [string[], RegExp][] = [
  [['device'], /"device"[\s\S]*Did you mean devices\?/],
  [['everything'], /"everything"[\s\S]*devices, agents, rules, system/],
  [['/path?token=x'], /not a valid endpoint path/],
  [['/path with blanks'], /not a valid endpoint path/],
  [['-w', 'data.cpu >'], /--where[\s\S]*\^/],
  [['-w', '1 + 1'], /--where/],
  [['-s', 'a..b'], /--subject.*a\.\.b/],
  [['-s', 'a.>.b'], /--subject.*a\.>\.b/],
  [['--no-reconnect', '--retries', '3'], /--no-reconnect and --retries/],
  [['--token-file', 'x', '--no-token'], /--no-token.*--token-file|--token-file.*--no-token/],
  [['--ca', '/no/such/file'], /--ca \/no\/such\/file/],
  [['-c', 'nobody'], /nobody/],
  [['--token', 'SECRET-VALUE'], /--token is not supported/],
  [['--no-such-option'], /--no-such-option/],
  [['--tipe', 'x'], /--tipe[\s\S]*--type/],
  [['--last', '15m'], /--last needs a recording[\s\S]*tail --file FILE --last/],
  [['--from=-5m'], /--from needs a recording/],
  [['--to', '2026-11-22'], /--to needs a recording/],
  [['--before', '5m'], /--before and --after need a filter[\s\S]*--problems, --type/],
  [['--after', '3'], /--after need a filter/],
  [
    ['--file', 'x', '--problems', '--after', '3', '--last', '2'],
    /--last cannot be combined[\s\S]*, with --from/,
  ],
  [['--follow'], /--follow needs a recording[\s\S]*always followed/],
];

/** Options that are refused before any action. */
const wrongOptions: [string[], RegExp][] = [
  [['-Z'], /-Z/],
  [['devices', '-n', '0'], /--count.*"0"/],
  [['-n', '-1'], /--count|-n/],
  [['-n', '1e3'], /--count.*"1e3"/],
  [['-n', 'NaN'], /--count.*"NaN"/],
  [['-n', '1.5'], /--count.*"1\.5"/],
  [['-n', ''], /--count.*""/],
  [['-n'], /-n, --count|argument missing/],
  // What an empty variable leaves: `-t $TYPE --problems`.
  [['-t', '--problems'], /option '-t, --type <pattern>' argument missing/],
  [['--file', '-n', '5'], /option '--file <file>' argument missing/],
  [['-w', '--', 'devices'], /option '-w, --where <expr>' argument missing/],
  [['-u', '--duration', '1s'], /option '-u, --url <url>' argument missing/],
  [['--before', '0', '--problems'], /--before.*"0"/],
  [['--after', '-5s', '--problems'], /--after/],
  [['--duration', '5'], /--duration.*"5"[\s\S]*5m/],
  [['--duration', '-5s'], /--duration/],
  [['--duration', 'soon'], /--duration.*"soon"/],
  [['--retries', 'never'], /--retries.*"never".*forever/s],
  [['-n', '5', '-n', '2'], /--count/],
  [['--retries', '0'], /--retries.*"0"/],
  [['--retry-delay', '0s'], /--retry-delay/],
  [['--retry-delay', '1'], /--retry-delay.*"1"/],
  [['--retry-max', '0ms'], /--retry-max/],
  [['--retry-max', 'x'], /--retry-max.*"x"/],
  [['--connect-timeout', '0s'], /--connect-timeout/],
  [['--heartbeat', '0s'], /--heartbeat/],
  [['--heartbeat', '1e3s'], /--heartbeat.*"1e3s"/],
  [['--dead-after', '0s'], /--dead-after/],
  [['--dead-after', 'Infinitys'], /--dead-after/],
  // `ws` keeps the limit in 32 bits, and Node has no string of half a gigabyte.
  [['--max-message', '257MiB'], /--max-message must be between 1B and 256MiB/],
  [['--max-message', '2GiB'], /--max-message/],
  [['--max-message', '4GiB'], /--max-message/],
  [['--max-message', '0B'], /--max-message/],
  [['--max-message', '-1B'], /--max-message/],
  [['--max-message', 'abc'], /--max-message.*"abc"/],
  [['--max-message', '16'], /--max-message.*"16"/],
  [['--max-buffer', '0B'], /--max-buffer/],
  [['--max-buffer', '10 MiB'], /--max-buffer/],
  [['--format', 'xml'], /--format.*xml/],
  [['--color', 'sometimes'], /--color.*sometimes/],
];

describe.concurrent('combinations that make no sense', () => {
  test.for(wrong)('tail %j', async ([args, named], { serve, command, expect }) => {
    const server = await serve();
    const { code, stdout, stderr } = await command.sandbox.run(['tail', '-u', server.url, ...args]);
    expect([code, stdout], stderr).toEqual([2, '']);
    expect(stderr).toMatch(named);
    expect(stderr).not.toMatch(/ {4}at |SECRET-VALUE|Unhandled/);
    expect(server.connections.all).toEqual([]);
  });

  test.for(wrongOptions)('tail %j, an option', async ([args, named], { expect }) => {
    const refused = await refusalOf(['tail', ...args]);
    expect(refused).toMatch(/^USAGE /);
    expect(refused).toMatch(named);
    expect(refused).not.toMatch(/SECRET-VALUE/);
  });

  test.for([
    [['-u', 'ftp://host'], {}, /scheme ftp:/],
    [['-u', 'ws://host?token=SECRET'], {}, /query/],
    [['-u', ''], {}, /URL/],
    [[], { OPMAS_URL: 'ws://user:SECRET@ho st' }, /URL/],
    [[], { OPMAS_CONTEXT: 'nobody' }, /nobody/],
    [
      ['--plaintext', '-u', 'ws://opmas.invalid'],
      { http_proxy: 'gopher://host' },
      /http_proxy names a gopher proxy/,
    ],
    // A token never goes over a network in the clear unless that was asked for.
    [['-u', 'ws://opmas.example.org'], {}, /not encrypted[\s\S]*--plaintext/],
    [['-u', 'http://192.0.2.1'], {}, /not encrypted[\s\S]*--plaintext/],
  ] as const)('refuses %j with environment %o', async ([args, environment, named], { command, expect }) => {
    const { code, stdout, stderr } = await command.sandbox.run(['tail', ...args], { environment });
    expect([code, stdout], stderr).toEqual([2, '']);
    expect(stderr).toMatch(named);
    expect(stderr).not.toMatch(/ {4}at |SECRET/);
  });

  // The exit code does not depend on the place that has no token.
  test.for([
    [['--token-file', '/no/such/file'], {}, /\/no\/such\/file/],
    [['--token-file', '/dev/null'], {}, /--token-file \/dev\/null holds no token/],
    [['--token-file', '/'], {}, /directory/],
    [['--token-file', '-'], {}, /--token-file - holds no token/],
    [[], { OPMAS_TOKEN: ' ' }, /OPMAS_TOKEN/],
    [[], { OPMAS_TOKEN: 'SECRET with blanks' }, /OPMAS_TOKEN/],
    [[], { OPMAS_TOKEN: '', OPMAS_TOKEN_FILE: '/no/such/file' }, /OPMAS_TOKEN_FILE.*\/no\/such\/file/],
    [['-c', 'silent'], {}, /output of the token command of context silent/],
    [['-c', 'missing'], {}, /token command of context missing cannot be started/],
    [[], {}, /there is no token/],
  ] as const)('ends with 3 without a token: %j with environment %o', async (given, { command, expect }) => {
    const [args, environment, named] = given;
    const { sandbox } = command;
    const url = 'ws://127.0.0.1:1';
    const programs = { silent: 'true', missing: '/no/such/program' };
    for (const [name, program] of args[0] === '-c' ? Object.entries(programs) : [])
      await sandbox.run(['context', 'add', name, '--url', url, '--token-command', program]);
    const from = args[0] === '-c' ? [] : ['-u', url];
    for (const name of ['tail', 'record'] as const) {
      const environmentOf = { OPMAS_TOKEN: '', ...environment };
      const { code, stdout, stderr } = await sandbox.run([name, ...from, ...args], {
        environment: environmentOf,
      });
      expect([code, stdout], stderr).toEqual([3, '']);
      expect(stderr).toMatch(named);
      expect(stderr).not.toMatch(/SECRET/);
    }
  });

  test('a configuration that is no JSON', async ({ command, expect }) => {
    const folder = join(command.sandbox.home, '.config/opmas-ws');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), '{"contexts": {,}}');
    const { code, stderr } = await command.sandbox.run(['tail']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/config\.json/);
  });

  test('variables that are set and empty are as if they were not', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const environment = {
      OPMAS_CONTEXT: '',
      OPMAS_TOKEN_FILE: '',
      HTTP_PROXY: '',
      NO_COLOR: '',
      OPMAS_URL: '',
    };
    expect(await command.runTail(server, ['-n', '1'], { environment })).toMatchObject({ code: 0 });
  });

  test('patterns that are given twice add up', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) =>
      client.accept(
        text(event(1, 'rule.triggered')),
        text(event(2, 'device.error')),
        text(event(3, 'agent.error')),
      ),
    );
    const args = ['-n', '2', '-t', 'device.error', '-t', 'agent.error'];
    const { code, stdout } = await command.runTail(server, args);
    expect(code).toBe(0);
    expect(stdout.match(/"number":\d/g)).toEqual(['"number":2', '"number":3']);
  });
});
