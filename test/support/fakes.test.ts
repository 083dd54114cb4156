import { expect, it } from 'vitest';
import { expectConformance } from './conformance.ts';
import { CredentialWatch } from './credential-watch.ts';
import { fakeRegistry } from './fake-registry.ts';

it('the scripted registry keeps to the distribution spec', async () => {
  await expectConformance((await fakeRegistry()).host);
});

it('the watch over credentials sees what goes where it does not belong', () => {
  const watch = new CredentialWatch();
  const password = { authorization: 'Basic bWU6cHc=' };
  watch.request('http://a', password);
  watch.request('http://a', password);
  watch.answer('http://a', { 'WWW-Authenticate': 'Bearer realm="http://tokens/token",service="a"' });
  watch.request('http://tokens', password);
  expect(watch.take()).toEqual([]);
  watch.request('http://a', password);
  watch.request('http://b', password);
  expect(watch.take()).toEqual(['Basic credentials were sent to http://a and http://b']);
  watch.request('http://a', { authorization: 'Bearer t' });
  watch.answer('http://a', { 'www-authenticate': 'Bearer realm="http://tokens/token"' });
  watch.request('http://tokens', { authorization: 'Bearer t' });
  expect(watch.take()).toEqual(['Bearer credentials were sent to http://a and http://tokens']);
  watch.request('http://a', { cookie: 'session=1' });
  expect(watch.take()).toEqual(['a cookie was sent to http://a']);
  expect(watch.take()).toEqual([]);
});
