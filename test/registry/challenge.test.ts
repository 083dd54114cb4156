import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/registry/challenge.ts';

const parsed = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('parseChallenges', () => {
  it.each([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/alpine:pull',
          },
        ],
      ],
    ],
    ['Basic realm="Registry Realm"', [['basic', { realm: 'Registry Realm' }]]],
    ['Basic', [['basic', {}]]],
    ['Bearer realm=https://r/token,service=r', [['bearer', { realm: 'https://r/token', service: 'r' }]]],
    ['bearer REALM="x" , Service = "y"', [['bearer', { realm: 'x', service: 'y' }]]],
    [
      'Basic realm="a", Bearer realm="b",service="c"',
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b', service: 'c' }],
      ],
    ],
    [
      'Negotiate oYG3MIG0oAMKAQ==, Basic realm="a"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
      ],
    ],
    [
      'Negotiate, NTLM, Basic realm="a"',
      [
        ['negotiate', {}],
        ['ntlm', {}],
        ['basic', { realm: 'a' }],
      ],
    ],
    ['Bearer realm="a \\"quoted\\" \\\\ one"', [['bearer', { realm: 'a "quoted" \\ one' }]]],
    ['Bearer realm="a, Basic realm=b"', [['bearer', { realm: 'a, Basic realm=b' }]]],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
    ['Bearer realm="never closed', [['bearer', { realm: 'never closed' }]]],
    [
      'Bearer scope="repository:a:pull,push repository:b:pull"',
      [['bearer', { scope: 'repository:a:pull,push repository:b:pull' }]],
    ],
    ['', []],
    [' , ,', []],
    ['realm="x"', [['realm', {}]]],
  ])('reads %j', (header, expected) => {
    expect(parsed(header).slice(0, expected.length || 1)).toEqual(expected);
  });

  it('never fails, and never takes long, whatever a server sends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) =>
        Array.isArray(parseChallenges(text)),
      ),
    );
    for (const part of ['"', '\\', ',', '=', 'a=', 'a ', 'a="'])
      expect(parseChallenges(`Bearer ${part.repeat(1_000_000)}`)[0]?.scheme).toBe('bearer');
  });
});
