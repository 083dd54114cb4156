import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeConfig,
  decodeDescriptor,
  decodeIndex,
  decodeManifest,
  documentMediaType,
  encodeConfig,
  encodeManifest,
  MediaType,
  parseJson,
  sha256,
} from '#oci-spec-types';

const descriptor = { mediaType: MediaType.LayerGzip, digest: sha256('x'), size: 1 };
const manifest = {
  schemaVersion: 2,
  mediaType: MediaType.Manifest,
  config: { ...descriptor, mediaType: MediaType.Config },
  layers: [descriptor],
};
const index = {
  schemaVersion: 2,
  mediaType: MediaType.Index,
  manifests: [{ ...descriptor, mediaType: MediaType.Manifest }],
};
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const invalid = expect.objectContaining({ code: 'OCISLIM_DOCUMENT_INVALID' });

describe('decoding', () => {
  it('takes documents as the specification has them', () => {
    expect(decodeManifest(bytes(manifest))).toEqual(manifest);
    expect(decodeIndex(bytes(index))).toEqual(index);
    expect(documentMediaType(bytes(manifest))).toBe(MediaType.Manifest);
    expect(documentMediaType(bytes({ schemaVersion: 2, manifests: [] }))).toBe(MediaType.Index);
  });

  it('refuses a document that is both a manifest and an index (CVE-2021-41190)', () => {
    const both = bytes({ ...manifest, ...index });
    expect(() => decodeManifest(both)).toThrow('both a manifest and an index');
    expect(() => decodeIndex(both)).toThrow('both a manifest and an index');
  });

  it('refuses schema 1 by name', () => {
    expect(() => decodeManifest(bytes({ schemaVersion: 1, fsLayers: [] }))).toThrow('schema 1');
  });

  it.each([
    ['a digest that is a path (CVE-2024-3727)', { ...descriptor, digest: 'sha256:../../../etc/passwd' }],
    ['a digest in upper case', { ...descriptor, digest: `sha256:${'A'.repeat(64)}` }],
    ['a short digest', { ...descriptor, digest: 'sha256:abc' }],
    ['an unknown algorithm', { ...descriptor, digest: `md5:${'a'.repeat(32)}` }],
    ['a negative size', { ...descriptor, size: -1 }],
    ['a size that is no number', { ...descriptor, size: '1' }],
    ['a size beyond all files', { ...descriptor, size: 1e300 }],
    ['a media type with a newline', { ...descriptor, mediaType: 'a/b\nc' }],
    ['annotations that are no strings', { ...descriptor, annotations: { a: 1 } }],
    ['nothing', null],
  ])('refuses a descriptor with %s', (_, value) => {
    expect(() => decodeDescriptor(value)).toThrow(invalid);
  });

  it('says which document and which field', () => {
    const wrong = { ...manifest, layers: [{ ...descriptor, size: 'big' }] };
    expect(() => decodeManifest(bytes(wrong), 'app:1')).toThrow(/^app:1: field layers\.0\.size: /);
  });

  it('keeps what it does not know', () => {
    const config = {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [] },
      'moby.buildkit': 'x',
      config: { OnBuild: ['x'] },
    };
    expect(decodeConfig(bytes(config))).toEqual(config);
  });

  it('takes __proto__ and constructor for the labels they are', () => {
    const raw = Buffer.from(
      '{"os":"linux","architecture":"a","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"__proto__":"x","constructor":"y"}}}',
    );
    const labels = decodeConfig(raw).config?.Labels ?? {};
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    expect(Object.entries(labels)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it.each([
    ['nesting a million deep', '['.repeat(1_000_000)],
    ['nesting in objects', '{"a":'.repeat(100_000)],
    ['no JSON', 'manifest'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['more than 4 MiB', `"${'x'.repeat(4 * 1024 * 1024)}"`],
  ])('refuses %s at once', (_, text) => {
    expect(() => parseJson(Buffer.from(text), 'doc')).toThrow(invalid);
  });

  it('does not count brackets inside strings as nesting', () => {
    const text = JSON.stringify({ a: '[{'.repeat(1000), b: '\\"[[['.repeat(100) });
    expect(parseJson(Buffer.from(text), 'doc')).toEqual(JSON.parse(text));
  });

  it('refuses anything else with its own error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const decode of [decodeManifest, decodeIndex, decodeConfig]) {
          try {
            decode(bytes(value));
          } catch (error) {
            expect(error).toMatchObject({ code: 'OCISLIM_DOCUMENT_INVALID' });
          }
        }
      }),
    );
  });
});

describe('encoding', () => {
  it('has one form for one content, whatever the order it was made in', () => {
    const one = decodeManifest(bytes({ ...manifest, annotations: { b: '2', a: '1' } }));
    const two = decodeManifest(
      bytes({
        annotations: { a: '1', b: '2' },
        layers: manifest.layers,
        config: manifest.config,
        mediaType: manifest.mediaType,
        schemaVersion: 2,
      }),
    );
    expect(encodeManifest(one)).toEqual(encodeManifest(two));
    expect(encodeManifest(one).toString().startsWith('{"schemaVersion":2,"mediaType"')).toBe(true);
  });

  it('leaves out what is undefined, and keeps what is unknown', () => {
    const config = {
      os: 'linux',
      architecture: 'amd64',
      variant: undefined,
      rootfs: { type: 'layers', diff_ids: [] },
      zzz: 1,
      aaa: 2,
    } as const;
    expect(encodeConfig(config).toString()).toBe(
      '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"aaa":2,"zzz":1}',
    );
  });

  it('gives back what was decoded', () => {
    expect(decodeManifest(encodeManifest(decodeManifest(bytes(manifest))))).toEqual(manifest);
  });
});
