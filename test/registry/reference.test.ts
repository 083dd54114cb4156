import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { familiarReference, formatReference, parseReference } from '../../src/registry/reference.ts';

const digest = sha256('x');

describe('parseReference', () => {
  it.each([
    ['alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
    ['library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
    ['ghcr.io/me/app:1', 'ghcr.io/me/app:1', 'ghcr.io/me/app:1'],
    ['GHCR.IO/me/app:V1', 'ghcr.io/me/app:V1', 'ghcr.io/me/app:V1'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/me/app:1', '127.0.0.1:5000/me/app:1', '127.0.0.1:5000/me/app:1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['host/app', 'docker.io/host/app:latest', 'host/app:latest'],
    ['a__b/c--d/e.f:_x', 'docker.io/a__b/c--d/e.f:_x', 'a__b/c--d/e.f:_x'],
    [`alpine@${digest}`, `docker.io/library/alpine@${digest}`, `alpine@${digest}`],
    [`alpine:3@${digest}`, `docker.io/library/alpine:3@${digest}`, `alpine:3@${digest}`],
  ])('reads %s', (text, full, familiar) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(familiarReference(reference)).toBe(familiar);
  });

  it.each([
    ['', 'it is empty'],
    ['Alpine', 'in lower case'],
    ['me/App', 'in lower case'],
    ['alpine:', 'tag'],
    ['alpine:-x', 'tag'],
    [`alpine:${'x'.repeat(129)}`, 'tag'],
    ['alpine:a b', 'tag'],
    ['/alpine', 'part of the name is empty'],
    ['me//app', 'part of the name is empty'],
    ['me/app/', 'part of the name is empty'],
    ['a..b', 'not a legal part'],
    ['-a', 'not a legal part'],
    ['a-', 'not a legal part'],
    ['a___b', 'not a legal part'],
    ['me/../etc', 'not a legal part'],
    ['alpine@', 'no digest'],
    ['alpine@sha256:abc', 'no digest'],
    [`alpine@${digest.toUpperCase()}`, 'no digest'],
    [`alpine@${digest}@${digest}`, 'no digest'],
    ['https://ghcr.io/me/app', 'scheme'],
    ['host.:5000/app', "not a registry's host"],
    ['ho_st.io/app', "not a registry's host"],
    ['host.io:99999/app', "not a registry's host"],
    ['host.io:x/app', "not a registry's host"],
    ['host\n.io/app', "not a registry's host"],
    ['a'.repeat(64), 'image ID'],
    [`ghcr.io/${'a'.repeat(256)}`, 'longer than 255'],
  ])('refuses %.40j', (text, why) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_REFERENCE_INVALID', message: expect.stringContaining(why) }),
    );
  });

  it('refuses a megabyte without looking through it, whatever it is made of', () => {
    for (const part of ['a', 'a-', 'a/', 'a.', '_', '@sha256:', ':'])
      expect(() => parseReference(part.repeat(1_000_000 / part.length))).toThrow('characters long');
  });

  it('follows aliases of short names alone', () => {
    const aliases = { tool: 'ghcr.io/team/tool', 'me/app': 'quay.io/me/app' };
    const full = (text: string) => formatReference(parseReference(text, { aliases }));
    expect(full('tool')).toBe('ghcr.io/team/tool:latest');
    expect(full('tool:2')).toBe('ghcr.io/team/tool:2');
    expect(full(`me/app@${digest}`)).toBe(`quay.io/me/app@${digest}`);
    expect(full('docker.io/tool')).toBe('docker.io/library/tool:latest');
    expect(full('constructor')).toBe('docker.io/library/constructor:latest');
  });

  it('reads what it wrote, in full and in familiar form', () => {
    const component = fc
      .stringMatching(/^[a-z0-9]+(?:(?:\.|_|__|-{1,3})[a-z0-9]+){0,2}$/)
      .filter((text) => text.length < 20);
    const host = fc.constantFrom(
      'me/',
      'ghcr.io/',
      'localhost/',
      'localhost:5000/',
      '127.0.0.1:80/',
      '[::1]:1/',
      'a.b/',
    );
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined });
    fc.assert(
      fc.property(
        host,
        fc.array(component, { minLength: 1, maxLength: 3 }),
        tag,
        fc.boolean(),
        (at, path, name, pinned) => {
          const text = `${at}${path.join('/')}${name === undefined ? '' : `:${name}`}${pinned ? `@${digest}` : ''}`;
          const reference = parseReference(text);
          expect(parseReference(formatReference(reference))).toEqual(reference);
          expect(parseReference(familiarReference(reference))).toEqual(reference);
        },
      ),
    );
  });

  it('refuses anything else with its own error', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60, unit: 'binary' }), (text) => {
        try {
          parseReference(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'OCISLIM_REFERENCE_INVALID' });
        }
      }),
    );
  });
});
