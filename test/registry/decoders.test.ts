import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeConfig,
  decodeDescriptor,
  decodeIndex,
  decodeManifest,
  documentMediaType,
  isDigest,
  MediaType,
  parseDigest,
  sha256,
} from '#oci-spec-types';
import { parseChallenges } from '../../src/registry/challenge.ts';
import { formatReference, parseReference } from '../../src/registry/reference.ts';
import { nextPage } from '../../src/registry/referrers.ts';
import { parseWarnings } from '../../src/registry/warnings.ts';

// What decodes words from outside, on right words that were changed at random: no crash, no hang, no surprise.

/** Each decoder gets so many; CI asks for 100,000. */
const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 200);
const digest = sha256('x');

/** What breaks decoders: separators, quotes, control characters, half characters, keys of prototypes. */
const shards = fc.constantFrom(
  ...[
    '',
    ' ',
    '\n',
    '\0',
    '/',
    '//',
    ':',
    '@',
    ',',
    ';',
    '=',
    '"',
    '\\',
    '<',
    '>',
    '..',
    '%2e',
    '{',
    '[',
    '}',
    ']',
  ],
  ...[
    'null',
    '-1',
    '1e999',
    '9007199254740993',
    '"__proto__":',
    'constructor',
    '\ud800',
    'é',
    '😀',
    '\u202e',
    'x'.repeat(300),
  ],
);

/** One of `words` with a few changes: a shard put in, a part cut out, a part doubled. */
function changed(words: readonly string[]): fc.Arbitrary<string> {
  const change = fc.tuple(fc.constantFrom('put', 'cut', 'double'), fc.nat(), fc.nat({ max: 12 }), shards);
  return fc.tuple(fc.constantFrom(...words), fc.array(change, { maxLength: 4 })).map(([word, changes]) =>
    changes.reduce((text, [kind, where, length, shard]) => {
      const at = where % (text.length + 1);
      const part = text.slice(at, at + length);
      if (kind === 'put') return text.slice(0, at) + shard + text.slice(at);
      return text.slice(0, at) + (kind === 'cut' ? '' : part + part) + text.slice(at + part.length);
    }, word),
  );
}

function everyTime(words: readonly string[], property: (text: string) => void): void {
  fc.assert(fc.property(changed(words), property), { numRuns, seed: 1 });
  expect(Object.keys(Object.prototype)).toEqual([]);
}

/** Its own error, or what `work` gives. */
function orRefused<T>(code: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    expect(error).toMatchObject({ name: 'OcislimError', code });
    return undefined;
  }
}

describe(`${numRuns} changed words`, () => {
  it('of references are refused, or mean the same when they are written and read again', () => {
    everyTime(
      [
        'alpine',
        'alpine:3.20',
        `ghcr.io/me/app:1@${digest}`,
        '127.0.0.1:5000/a/b/c',
        '[::1]:80/x',
        'a.b-c/d_e__f:T',
      ],
      (text) => {
        const reference = orRefused('OCISLIM_REFERENCE_INVALID', () => parseReference(text));
        if (reference === undefined) return;
        expect(parseReference(formatReference(reference))).toEqual(reference);
        expect(`/${reference.repository}/`).not.toMatch(/\/\.{0,2}\/|[\s\\%?#]/);
        expect(reference.registry).not.toMatch(/[\s/@\\?#]/);
      },
    );
  });

  it('of challenges are read as far as they can be', () => {
    const words = [
      'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push"',
      'Basic realm="x", Bearer realm=https://a.example',
      'Negotiate oYG3MIG0oAMKAQA=, Digest a="b\\"c"',
    ];
    everyTime(words, (text) => {
      for (const { scheme, parameters } of parseChallenges(text)) {
        expect(scheme).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
        expect(parameters).toBeInstanceOf(Map);
      }
    });
  });

  it('of links lead to the registry itself, or nowhere', () => {
    const base = new URL('https://r.example/');
    const words = [
      '</v2/a/referrers/x?last=1>; rel="next"',
      '<?n=2>;rel=next, <https://o.example/>; rel="next"',
      '<//o.example/>;rel=next',
    ];
    everyTime(words, (text) => {
      const url = nextPage(text, new URL('https://r.example/v2/a/referrers/x'), base);
      if (url !== undefined) expect(url.origin).toBe(base.origin);
    });
  });

  it('of warnings are short', () => {
    everyTime(['299 - "one", 299 r "two"', '299 - "a \\"b\\" c"'], (text) => {
      for (const warning of parseWarnings(text)) expect(warning.length).toBeLessThanOrEqual(300);
    });
  });

  it('of digests are refused, or are what they were', () => {
    everyTime(
      [digest, `sha512:${'0'.repeat(128)}`, digest.toUpperCase(), 'sha256:../../etc/passwd'],
      (text) => {
        const parsed = orRefused('OCISLIM_DIGEST_INVALID', () => parseDigest(text));
        expect(isDigest(text)).toBe(parsed !== undefined);
        if (parsed !== undefined) expect(text).toMatch(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
      },
    );
  });

  const layer = { mediaType: MediaType.LayerGzip, digest, size: 1, annotations: { constructor: 'x' } };
  const config = { ...layer, mediaType: MediaType.Config };
  const documents = [
    { schemaVersion: 2, mediaType: MediaType.Manifest, config, layers: [layer], annotations: { a: 'b' } },
    {
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [{ ...layer, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }],
    },
    {
      os: 'linux',
      architecture: 'amd64',
      config: { Labels: { toString: 'x' }, Env: ['A=b'] },
      rootfs: { type: 'layers', diff_ids: [digest] },
      history: [{ created_by: 'x' }],
    },
    layer,
  ].map((document) => JSON.stringify(document).replace('"constructor"', '"__proto__"'));

  it.each([
    ['manifests', decodeManifest],
    ['indexes', decodeIndex],
    ['configurations', decodeConfig],
    ['descriptors', (bytes: Uint8Array) => decodeDescriptor(JSON.parse(Buffer.from(bytes).toString()))],
  ])('of %s are refused, or are plain data', (what, decode) => {
    everyTime(documents, (text) => {
      if (what === 'descriptors') {
        try {
          JSON.parse(text);
        } catch {
          return;
        }
      }
      const decoded = orRefused('OCISLIM_DOCUMENT_INVALID', () => decode(Buffer.from(text)));
      if (decoded !== undefined) expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
      orRefused('OCISLIM_DOCUMENT_INVALID', () => documentMediaType(Buffer.from(text)));
    });
  });
});
