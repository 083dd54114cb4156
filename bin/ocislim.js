#!/usr/bin/env node
// CommonJS, which Node starts faster than modules.
require('../dist/start.cjs').start(process.argv.slice(2));
