import { describe, expect, it } from 'vitest';
import { rebaseConfig, rebaseImage } from '../../src/image/rebase.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { file } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';

describe('a configuration on another base', () => {
  const old = {
    Env: ['PATH=/bin', 'LANG=C', 'GONE=1'],
    Cmd: ['sh'],
    User: 'root',
    Labels: { base: '1', both: 'b' },
  };

  it('is that of the new base where the image had changed nothing', () => {
    const base = { Env: ['PATH=/usr/bin', 'NEW=1'], Cmd: ['ash'], User: 'nobody', WorkingDir: '/w' };
    expect(rebaseConfig(old, old, base)).toEqual(base);
  });

  it('keeps what the image had changed, variable by variable and label by label', () => {
    const own = {
      ...old,
      Env: ['PATH=/bin', 'LANG=de', 'APP=1'],
      User: 'app',
      Labels: { base: '1', both: 'mine', own: 'o' },
    };
    const base = { Env: ['PATH=/usr/bin', 'LANG=C', 'GONE=1', 'NEW=1'], Labels: { base: '2', both: 'b2' } };
    expect(rebaseConfig(own, old, base)).toMatchObject({
      Env: ['PATH=/usr/bin', 'LANG=de', 'NEW=1', 'APP=1'],
      User: 'app',
      Labels: { base: '2', both: 'mine', own: 'o' },
    });
  });

  it('takes no arguments for a command of the image itself', () => {
    const own = { Entrypoint: ['/app'] };
    expect(rebaseConfig(own, {}, { Cmd: ['sh'] }).Cmd).toBeUndefined();
    expect(rebaseConfig({ ...own, Cmd: ['-v'] }, { Cmd: ['-v'] }, { Cmd: ['sh'] }).Cmd).toEqual(['-v']);
  });

  it('joins ports and volumes', () => {
    const own = { ExposedPorts: { '80/tcp': {} }, Volumes: { '/data': {} } };
    expect(rebaseConfig(own, {}, { ExposedPorts: { '22/tcp': {} } })).toMatchObject({
      ExposedPorts: { '80/tcp': {}, '22/tcp': {} },
      Volumes: { '/data': {} },
    });
  });
});

describe('an image on another base', () => {
  it('is what it would have been if it had been made there', async () => {
    const old = await imageOf({ layers: [[file('base', 'old')]], config: { env: { A: '1' }, user: 'root' } });
    const base = await imageOf({
      layers: [[file('base', 'new')], [file('more', 'new')]],
      config: { env: { A: '2', B: '3' } },
    });
    const parts = { layers: [[file('app', 'x')]], config: { entrypoint: ['/app'], env: { C: '4' } } };
    const image = await imageOf({ ...parts, base: old });
    const made = rebaseImage({ image, old, base, annotations: {} });
    expect(made.descriptor.digest).toBe((await imageOf({ ...parts, base })).descriptor.digest);
    expect(await validateArtifact(made)).toEqual([]);
  });

  it('is refused where its lower layers are not those of the old base', async () => {
    const [old, other] = [
      await imageOf({ layers: [[file('a', '1')]] }),
      await imageOf({ layers: [[file('a', '2')]] }),
    ];
    const image = await imageOf({ layers: [[file('app', 'x')]], base: old });
    expect(() => rebaseImage({ image, old: other, base: other, annotations: {} })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_USAGE', hint: expect.stringContaining('--old-base') }),
    );
    expect(() => rebaseImage({ image: old, old: image, base: other, annotations: {} })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_USAGE' }),
    );
  });
});
