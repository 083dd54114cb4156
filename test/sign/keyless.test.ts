import { describe, expect, it } from 'vitest';
import { IN_TOTO } from '../../src/sign/bundle.ts';
import { keylessSigner, type SigstoreModules } from '../../src/sign/keyless.ts';

/** Stands in for @sigstore/sign: notes what it is given, and makes a bundle or refuses. */
function fakeModules(create: (artifact: object) => Promise<unknown>) {
  const given: unknown[] = [];
  const noting = (what: string) =>
    class {
      constructor(options: unknown) {
        given.push([what, options]);
      }
    };
  const modules = {
    CIContextProvider: noting('identity'),
    FulcioSigner: noting('fulcio'),
    RekorWitness: noting('rekor'),
    DSSEBundleBuilder: class {
      create = create;
    },
    bundleToJSON: (bundle: unknown) => ({ json: bundle }),
    DEFAULT_FULCIO_URL: 'https://fulcio.example',
    DEFAULT_REKOR_URL: 'https://rekor.example',
  } as unknown as SigstoreModules;
  return { given, modules };
}

describe('signing without a key', () => {
  it('asks for a certificate and a log entry for the statement', async () => {
    const asked: object[] = [];
    const { given, modules } = fakeModules(async (artifact) => {
      asked.push(artifact);
      return 'made';
    });
    const signer = await keylessSigner({ offline: false, load: () => modules });
    expect((await signer.bundle(Buffer.from('statement'))).toString()).toBe('{"json":"made"}');
    expect(asked).toEqual([{ data: Buffer.from('statement'), type: IN_TOTO }]);
    expect(given).toMatchObject([
      ['identity', 'sigstore'],
      ['fulcio', { fulcioBaseURL: 'https://fulcio.example' }],
      ['rekor', { rekorBaseURL: 'https://rekor.example' }],
    ]);
  });

  it('tells what was refused, and what gives an identity', async () => {
    const { modules } = fakeModules(() => Promise.reject('CI: no tokens available'));
    const signer = await keylessSigner({ offline: false, load: () => modules });
    await expect(signer.bundle(Buffer.from('s'))).rejects.toMatchObject({
      code: 'OCISLIM_FAILED',
      message: 'sign --keyless: CI: no tokens available',
      hint: expect.stringContaining('id-token: write'),
    });
  });

  it('says how to install what it needs, which does not come with ocislim', async () => {
    await expect(keylessSigner({ offline: false })).rejects.toMatchObject({
      code: 'OCISLIM_USAGE',
      hint: expect.stringContaining('npm install @sigstore/sign'),
    });
  });

  it('is nothing for --offline', async () => {
    await expect(keylessSigner({ offline: true })).rejects.toMatchObject({ code: 'OCISLIM_USAGE' });
  });
});
