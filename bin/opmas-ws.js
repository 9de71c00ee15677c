#!/usr/bin/env node
'use strict';

// In JavaScript of 2015, without modules: the oldest Node has to read this file to say that it is too old.
const needed = require('../package.json').engines.node.replace('>=', '');
const version = process.versions.node.split('.').map(Number);
const oldest = needed.split('.').map(Number);

if (version[0] > oldest[0] || (version[0] === oldest[0] && version[1] >= oldest[1])) {
  require('./start.js');
} else {
  process.exitCode = 5;
  process.stderr.write(`opmas-ws: needs Node.js ${needed} or newer; this is ${process.versions.node}\n`);
}
