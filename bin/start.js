'use strict';

// The kernel drops signals to process 1 of a container that has no listener for them: `docker stop` would take 10 s.
if (process.pid === 1) {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
  }
}

// Node would open a debugger, to which every user of this machine can connect.
process.on('SIGUSR1', () => undefined);

try {
  const { main, finish } = require('../dist/cli/main.cjs');
  main(process.argv.slice(2)).then(finish);
} catch (error) {
  // A damaged installation, or too few open files: nothing else of the program can say so.
  process.exitCode = 5;
  const [reason] = error.message.split('\n');
  process.stderr.write(`opmas-ws: the program cannot be loaded: ${reason}\n`);
}
