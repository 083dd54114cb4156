import type { Quirks } from './fake-registry.ts';

const MiB = 1024 * 1024;

/** What registries do that the plain one does not, as far as it is visible to a client. */
export const VENDORS: Readonly<Record<string, Quirks>> = {
  'Docker Hub': { mount: 202, absolute: true },
  GHCR: { mount: 202, noReferrers: true },
  ECR: { patchStatus: 201, noDigest: true, noReferrers: true, absolute: true },
  GAR: { absolute: true, noStatus: true },
  ACR: { needsAccept: true },
  Quay: { absolute: true, noReferrers: true, charset: '; charset=utf-8' },
  GitLab: { noReferrers: true, absolute: true },
  Harbor: { absolute: true },
  Artifactory: { strictAccept: true, absentHead: 403, noReferrers: true },
  Nexus: { noDigest: true, noReferrers: true, mount: 400 },
  Cloudflare: { longestBody: MiB },
  'a registry of chunks': { leastChunk: 256 * 1024, longestBody: 2 * MiB },
};
