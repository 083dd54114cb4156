import { expect, it } from 'vitest';
import { redact } from '../../src/lib/redact.ts';

it.each([
  ['https://me:hunter2@host/v2/', 'https://***@host/v2/'],
  ['http://token@proxy:3128', 'http://***@proxy:3128'],
  ['https://s3/blob?X-Amz-Signature=abc123&X-Amz-Date=1', 'https://s3/blob?X-Amz-Signature=***&X-Amz-Date=1'],
  ['https://r/x?_state=1&access_token=abc', 'https://r/x?_state=1&access_token=***'],
  ['Authorization: Bearer eyJhbGciOi.J9.x', 'Authorization: Bearer ***'],
  ['authorization: Basic bWU6aHVudGVyMg==', 'authorization: Basic ***'],
])('takes the secret out of %j', (text, safe) => {
  expect(redact(text)).toBe(safe);
});

it.each([
  'docker.io/library/alpine:latest',
  'https://ghcr.io/v2/me/app/blobs/sha256:abc',
  'mail me@example.com',
  'basic usage',
])('leaves %j alone', (text) => {
  expect(redact(text)).toBe(text);
});
