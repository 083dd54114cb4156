#!/usr/bin/env node
import { isSea } from 'node:sea';

console.log(isSea() ? 'hello from one file' : 'hello from a script');
