/**
 * Runs commands one after the other in this one process, because a process for each takes a tenth of a second. Gets
 * them from the process that has started it, and answers how each has ended.
 */
import { createRequire } from 'node:module';
import { Readable, Writable } from 'node:stream';

/** @type {typeof import('../../dist/cli/main.js')} */
const { main } = createRequire(import.meta.url)('../../dist/cli/main.cjs');

/** Keeps what a command prints. @param {boolean} isTTY */
function output(isTTY) {
  /** @type {Buffer[]} */
  const chunks = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      // The writer may use its buffer again.
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return {
    stream: Object.assign(stream, { isTTY, columns: isTTY ? 100 : 0 }),
    text: () => Buffer.concat(chunks).toString(),
  };
}

/** A command leaves listeners of these to the end of its process. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'uncaughtException'];

process.on('disconnect', () => process.exit());
process.on('message', async (/** @type {import('./command-runners.js').RunnerCommand} */ command) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, command.environment);
  process.chdir(command.folder);
  const [stdout, stderr] = [output(command.onTerminal), output(command.onTerminal)];
  const stdin = Readable.from(command.input === '' ? [] : [Buffer.from(command.input)]);
  const code = await main(command.args, { stdin, stdout: stdout.stream, stderr: stderr.stream });
  for (const name of SIGNALS) process.removeAllListeners(name);
  process.chdir('/');
  process.send?.({ code, signal: null, stdout: stdout.text(), stderr: stderr.text() });
});
