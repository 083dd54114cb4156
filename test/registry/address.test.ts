import { describe, expect, it } from 'vitest';
import { isLinkLocal, isLoopback, isPrivate, leadsInward } from '../../src/registry/address.ts';

describe('addresses', () => {
  it.each([
    'localhost',
    'LOCALHOST:5000',
    'a.localhost',
    '127.0.0.1',
    '127.9.9.9:80',
    '[::1]:5000',
    '[::ffff:127.0.0.1]',
  ])('%s is this machine', (host) => {
    // URL writes mapped addresses in hexadecimal.
    expect(isLoopback(new URL(`http://${host}`).host) || isPrivate(new URL(`http://${host}`).host)).toBe(
      true,
    );
  });

  it.each(['example.com', '128.0.0.1', 'localhost.example.com', '[::2]', '1.127.0.0.1.example'])(
    '%s is not',
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );

  it.each(['169.254.169.254', '169.254.0.1:80', '[fe80::1]', '[::ffff:a9fe:a9fe]'])(
    '%s is link-local',
    (host) => {
      expect(isLinkLocal(host)).toBe(true);
      expect(isPrivate(host)).toBe(true);
    },
  );

  it.each([
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '[fd00::1]',
    'registry',
    'x.internal',
    'a.local',
    'r.default.svc',
  ])('%s is private', (host) => {
    expect(isPrivate(host)).toBe(true);
  });

  it.each(['8.8.8.8', '172.32.0.1', '172.15.0.1', 'ghcr.io', '[2606:4700::1111]', '100.128.0.1'])(
    '%s is public',
    (host) => {
      expect(isPrivate(host)).toBe(false);
    },
  );
});

describe('leadsInward', () => {
  const leads = (target: string, registry: string) => leadsInward(new URL(target), new URL(registry));

  it('is true from a public registry into a private network, and for link-local addresses', () => {
    expect(leads('http://10.0.0.1/', 'https://ghcr.io/')).toBe(true);
    expect(leads('http://localhost/', 'https://ghcr.io/')).toBe(true);
    expect(leads('http://169.254.169.254/', 'http://10.0.0.1/')).toBe(true);
  });

  it('is false between public hosts, inside one network, and for the registry itself', () => {
    expect(leads('https://auth.docker.io/', 'https://registry-1.docker.io/')).toBe(false);
    expect(leads('http://10.0.0.2/', 'http://10.0.0.1/')).toBe(false);
    expect(leads('http://127.0.0.1:5000/x', 'http://127.0.0.1:5000/')).toBe(false);
  });
});
