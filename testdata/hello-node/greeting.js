export const greeting = 'hello from Node.js';
