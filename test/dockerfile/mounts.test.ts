import { describe, expect, it } from 'vitest';
import { mountFields, parseMount } from '../../src/dockerfile/mounts.ts';

const at = {
  file: { name: 'Dockerfile', text: 'RUN --mount=… a' },
  range: { start: { line: 1, column: 13 }, end: { line: 1, column: 14 } },
};

const owned = (mode: number, uid = 0, gid = 0) => ({ mode, uid, gid });

describe('parseMount', () => {
  it.each<[string, object]>([
    ['target=/a', { type: 'bind', target: '/a', source: '', readOnly: true }],
    ['type=bind,src=/s,dst=/a', { type: 'bind', target: '/a', source: '/s', readOnly: true }],
    ['type=bind', { type: 'bind', target: '.', source: '', readOnly: true }],
    [
      'TYPE=Bind,Source=s,Destination=/a,from=x,rw',
      { type: 'bind', target: '/a', source: 's', from: 'x', readOnly: false },
    ],
    ['type=bind,target=/a,rw=false', { type: 'bind', target: '/a', source: '', readOnly: true }],
    ['type=bind,target=/a,ro=0', { type: 'bind', target: '/a', source: '', readOnly: false }],
    ['type=bind,target=/a,ro,readwrite', { type: 'bind', target: '/a', source: '', readOnly: false }],
    ['type=bind,target=/a,rw,ro', { type: 'bind', target: '/a', source: '', readOnly: true }],
    ['target=/a,target=/b', { type: 'bind', target: '/b', source: '', readOnly: true }],
    [
      'target=/a,type=cache',
      {
        type: 'cache',
        target: '/a',
        id: '/a',
        sharing: 'shared',
        source: '',
        readOnly: false,
        ...owned(0o755),
      },
    ],
    [
      'type=cache,id=i,target=/a,sharing=Locked,mode=0700,uid=1,gid=2,from=x,source=/s,ro',
      {
        type: 'cache',
        target: '/a',
        id: 'i',
        sharing: 'locked',
        from: 'x',
        source: '/s',
        readOnly: true,
        ...owned(0o700, 1, 2),
      },
    ],
    [
      'type=cache,target=/a,sharing=private',
      {
        type: 'cache',
        target: '/a',
        id: '/a',
        sharing: 'private',
        source: '',
        readOnly: false,
        ...owned(0o755),
      },
    ],
    ['type=tmpfs,target=/a', { type: 'tmpfs', target: '/a', readOnly: false }],
    ['type=tmpfs,target=/a,size=64m', { type: 'tmpfs', target: '/a', size: 64 * 1024 ** 2, readOnly: false }],
    [
      'type=tmpfs,target=/a,size=1.5GiB',
      { type: 'tmpfs', target: '/a', size: 1.5 * 1024 ** 3, readOnly: false },
    ],
    ['type=tmpfs,target=/a,size=4096', { type: 'tmpfs', target: '/a', size: 4096, readOnly: false }],
    [
      'type=secret,id=s',
      { type: 'secret', id: 's', target: '/run/secrets/s', required: false, ...owned(0o400) },
    ],
    [
      'type=secret,source=s',
      { type: 'secret', id: 's', target: '/run/secrets/s', required: false, ...owned(0o400) },
    ],
    [
      'type=secret,target=/root/.npmrc',
      { type: 'secret', id: '.npmrc', target: '/root/.npmrc', required: false, ...owned(0o400) },
    ],
    [
      'type=secret,id=a/b',
      { type: 'secret', id: 'a/b', target: '/run/secrets/b', required: false, ...owned(0o400) },
    ],
    ['type=secret,id=s,env=S', { type: 'secret', id: 's', env: 'S', required: false, ...owned(0o400) }],
    [
      'type=secret,id=s,env=S,target=/s',
      { type: 'secret', id: 's', env: 'S', target: '/s', required: false, ...owned(0o400) },
    ],
    [
      'required,type=secret,id=s,mode=0440,uid=5',
      { type: 'secret', id: 's', target: '/run/secrets/s', required: true, ...owned(0o440, 5) },
    ],
    [
      'type=secret,id=s,required=false',
      { type: 'secret', id: 's', target: '/run/secrets/s', required: false, ...owned(0o400) },
    ],
    ['type=ssh', { type: 'ssh', id: 'default', required: false, ...owned(0o600) }],
    [
      'type=ssh,id=k,target=/a,required=true,gid=7',
      { type: 'ssh', id: 'k', target: '/a', required: true, ...owned(0o600, 0, 7) },
    ],
    ['type=tmpfs,"target=/a,b"', { type: 'tmpfs', target: '/a,b', readOnly: false }],
  ])('reads %s', (value, expected) => {
    expect(JSON.parse(JSON.stringify(parseMount(value, at)))).toEqual(expected);
  });

  it.each<[string, string, string?]>([
    [
      '',
      'has no key ',
      'it is one of type, from, source, target, readonly, readwrite, id, sharing, required, mode, uid, gid, size, env, src, dst, destination, ro, rw',
    ],
    ['type=bnd,target=/a', 'type bnd is unknown', 'did you mean bind?'],
    ['type=volume,target=/a', 'type volume is unknown', 'it is one of bind, cache, tmpfs, secret, ssh'],
    ['targt=/a', 'has no key targt', 'did you mean target?'],
    ['__proto__=/a', 'has no key __proto__'],
    ['target', 'key target has no value', 'expected target=VALUE'],
    ['type=cache', 'of type cache has no target', 'expected type=cache,target=PATH'],
    ['type=tmpfs', 'of type tmpfs has no target'],
    ['type=cache,target=/a,sharing=lockd', 'sharing lockd is unknown', 'did you mean locked?'],
    ['target=/a,sharing=shared', 'of type bind has no sharing', 'sharing is for cache'],
    ['target=/a,mode=0700', 'of type bind has no mode', 'mode is for cache and secret and ssh'],
    ['type=tmpfs,target=/a,uid=1', 'of type tmpfs has no uid'],
    ['target=/a,required', 'of type bind has no required'],
    ['type=cache,target=/a,size=1m', 'of type cache has no size'],
    ['type=cache,target=/a,env=X', 'of type cache has no env'],
    ['type=secret', 'of type secret has no id', 'expected type=secret,id=NAME'],
    ['type=secret,env=X', 'of type secret has no id'],
    ['type=secret,id=a,source=b', 'of type secret has both id and source'],
    ['type=secret,id=a,from=b', 'of type secret has no from'],
    ['type=cache,target=/a,mode=9', 'mode=9: not a number', 'expected for example 0700'],
    ['type=cache,target=/a,uid=x', 'uid=x: not a number', 'expected for example 1000'],
    ['type=cache,target=/a,uid=4294967296', 'uid=4294967296: not a number'],
    ['type=cache,target=/a,gid=-1', 'gid=-1: not a number'],
    ['type=tmpfs,target=/a,size=many', 'size=many: not a size', 'expected for example 64m'],
    ['target=/a,ro=maybe', 'ro=maybe: not a boolean', 'expected true or false'],
    ['"target=/a', 'has a quote that is not closed'],
  ])('refuses %s', (value, why, hint) => {
    const expected = hint === undefined ? {} : { hint };
    expect(() => parseMount(value, at)).toThrow(
      expect.objectContaining({
        code: 'OCISLIM_DOCKERFILE_INVALID',
        message: `Dockerfile:1: mount ${why}`,
        excerpt: ['RUN --mount=… a', '            ^'],
        ...expected,
      }),
    );
  });

  it('expands values after it has split them', () => {
    const expand = (text: string) => text.replaceAll('$x', 'a,readonly');
    expect(parseMount('type=cache,target=/$x', at, expand)).toMatchObject({
      target: '/a,readonly',
      readOnly: false,
    });
  });

  it.each<[string, string[] | undefined]>([
    ['a,b', ['a', 'b']],
    ['', ['']],
    ['a,', ['a', '']],
    ['"a,b",c', ['a,b', 'c']],
    ['"a""b"', ['a"b']],
    ['"a"b', undefined],
    ['a"b', undefined],
    ['"', undefined],
  ])('splits %j', (value, expected) => {
    expect(mountFields(value)).toEqual(expected);
  });
});
