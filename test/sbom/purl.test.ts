import { describe, expect, it } from 'vitest';
import type { FoundPackage } from '../../src/sbom/component.ts';
import { imagePurl, purlOf } from '../../src/sbom/purl.ts';

const debian = { id: 'debian', version: '12' };

describe('a package URL', () => {
  // Forms of the examples of purl-spec, PURL-TYPES.
  it.each<[FoundPackage, Parameters<typeof purlOf>[1], string]>([
    [
      { ecosystem: 'deb', name: 'libc6', version: '2.36-9+deb12u8', arch: 'amd64', upstream: 'glibc' },
      debian,
      'pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?arch=amd64&distro=debian-12&upstream=glibc',
    ],
    [
      { ecosystem: 'apk', name: 'busybox', version: '1.36.1-r29', arch: 'x86_64' },
      { id: 'alpine', version: '3.20.3' },
      'pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20.3',
    ],
    [
      { ecosystem: 'rpm', name: 'vim', version: '9.1-1.el9', arch: 'x86_64', epoch: '2' },
      { id: 'rhel', version: '9.4' },
      'pkg:rpm/redhat/vim@9.1-1.el9?arch=x86_64&distro=rhel-9.4&epoch=2',
    ],
    [{ ecosystem: 'apk', name: 'musl', version: '1' }, undefined, 'pkg:apk/alpine/musl@1'],
    // Debian's C library brought to another distribution, which has no such packages itself.
    [
      { ecosystem: 'deb', name: 'libc6', version: '2.36-9' },
      { id: 'alpine', version: '3.20.3' },
      'pkg:deb/debian/libc6@2.36-9',
    ],
    [
      { ecosystem: 'deb', name: 'libc6', version: '2.36-9' },
      { id: 'ocislim-static' },
      'pkg:deb/debian/libc6@2.36-9',
    ],
    [
      { ecosystem: 'golang', name: 'golang.org/x/net', version: 'v0.20.0' },
      debian,
      'pkg:golang/golang.org/x/net@v0.20.0',
    ],
    [{ ecosystem: 'golang', name: 'stdlib', version: '1.22.3' }, undefined, 'pkg:golang/stdlib@1.22.3'],
    [{ ecosystem: 'cargo', name: 'serde', version: '1.0.200' }, undefined, 'pkg:cargo/serde@1.0.200'],
    [
      { ecosystem: 'npm', group: '@angular', name: 'core', version: '12.3.1' },
      undefined,
      'pkg:npm/%40angular/core@12.3.1',
    ],
    [
      { ecosystem: 'maven', group: 'org.apache.xmlgraphics', name: 'batik-anim', version: '1.9.1' },
      undefined,
      'pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1',
    ],
  ])('of %j', (found, os, purl) => {
    expect(purlOf(found, os)).toBe(purl);
  });

  it('of a jar without a group is not made up', () => {
    expect(purlOf({ ecosystem: 'maven', name: 'lib', version: '1' }, undefined)).toBeUndefined();
  });

  it('of an image names its repository', () => {
    const digest = `sha256:${'ab'.repeat(32)}`;
    expect(imagePurl({ repository: 'ghcr.io/me/app', digest, tag: '1' })).toBe(
      `pkg:oci/app@sha256:${'ab'.repeat(32)}?repository_url=ghcr.io%2Fme%2Fapp&tag=1`,
    );
  });
});
