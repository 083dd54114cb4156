#!/usr/bin/env node
import { greeting } from './greeting.js';

console.log(greeting, import.meta.url.startsWith('file:'));
