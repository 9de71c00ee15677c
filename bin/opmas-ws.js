#!/usr/bin/env node
import('../dist/cli/main.js').then(
  ({ main }) => main(process.argv.slice(2)),
  (error) => {
    // Too few open files, or a damaged installation: nothing else of the program can say so.
    process.exitCode = 5;
    process.stderr.write(`opmas-ws: the program cannot be loaded: ${error.message}\n`);
  },
);
