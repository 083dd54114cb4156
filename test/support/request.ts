import type { PackRequest } from '../../src/pack/request.ts';

/** A request for `path` on nothing, with everything else as the command line's defaults. */
export function requestFor(path: string, more: Partial<PackRequest> = {}): PackRequest {
  return {
    path,
    base: 'scratch',
    tags: [],
    outputs: [],
    push: false,
    load: false,
    platforms: [],
    add: [],
    config: {},
    annotations: {},
    compression: { kind: 'gzip' },
    created: 0,
    check: 'error',
    ignore: [],
    withLibs: false,
    withCerts: false,
    withTzdata: false,
    libsFrom: 'host',
    compile: {
      toolchain: 'auto',
      link: 'static',
      jlink: false,
      cache: true,
      sandbox: 'auto',
    },
    dryRun: false,
    ...more,
  };
}
